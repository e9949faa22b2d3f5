"""A dictionary that forgets what was not asked for longest."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BoundedCache(Generic[K, V]):
    """Keeps at most `capacity` values, the ones used last."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._values: OrderedDict[K, V] = OrderedDict()

    def find(self, key: K) -> V | None:
        """The value kept for `key`, if there is one."""
        if key not in self._values:
            return None
        self._values.move_to_end(key)
        return self._values[key]

    def put(self, key: K, value: V) -> V:
        """Keep `value` for `key`, and give it back."""
        self._values[key] = value
        if len(self._values) > self.capacity:
            self._values.popitem(last=False)
        return value

    def get(self, key: K, make: Callable[[K], V]) -> V:
        """The value kept for `key`, or else what `make` makes of it, which is kept."""
        known = self.find(key)
        return self.put(key, make(key)) if known is None else known

    def __len__(self) -> int:
        return len(self._values)
