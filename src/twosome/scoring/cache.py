"""A dictionary that forgets what was not asked for longest."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BoundedCache(Generic[K, V]):
    """Keeps the values used last.

    Args:
        capacity: most values; with `weigh` most of what they weigh together, but for the last one.
        weigh: what a value weighs; None: each weighs 1.
    """

    def __init__(self, capacity: int, weigh: Callable[[V], int] | None = None) -> None:
        self.capacity = capacity
        self._weigh = weigh or (lambda value: 1)
        self._values: OrderedDict[K, V] = OrderedDict()
        self._weight = 0

    @property
    def weight(self) -> int:
        """What the kept values weigh together."""
        return self._weight

    def find(self, key: K) -> V | None:
        """The value kept for `key`, if there is one."""
        if key not in self._values:
            return None
        self._values.move_to_end(key)
        return self._values[key]

    def put(self, key: K, value: V) -> V:
        """Keep `value` for `key`, and give it back."""
        if key in self._values:
            self._weight -= self._weigh(self._values.pop(key))
        self._values[key] = value
        self._weight += self._weigh(value)
        while self._weight > self.capacity and len(self._values) > 1:
            _, oldest = self._values.popitem(last=False)
            self._weight -= self._weigh(oldest)
        return value

    def get(self, key: K, make: Callable[[K], V]) -> V:
        """The value kept for `key`, or else what `make` makes of it, which is kept."""
        known = self.find(key)
        return self.put(key, make(key)) if known is None else known

    def __len__(self) -> int:
        return len(self._values)
