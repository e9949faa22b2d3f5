"""Things known by a name: those in the files of a package, found by being there, and those of users' modules."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Generic, TypeVar

from twosome.envs.arguments import suggestion
from twosome.errors import ConfigError, quote
from twosome.trust import granted, require_consent

T = TypeVar("T")


class Registry(Generic[T]):
    """Things of one kind, by name.

    Args:
        what: the kind of thing, for messages.
        package: whose modules register those that come along.
    """

    def __init__(self, what: str, package: str) -> None:
        self._what, self._package = what, package
        self._known: dict[str, T] = {}

    def register(self, name: str, thing: T) -> None:
        """Make a thing known: by a plain name in a file of the package, as "MODULE:NAME" in a module elsewhere."""
        self._known[name] = thing

    def find(self, name: str) -> T:
        """The thing of a name; its module is imported if need be.

        Raises:
            ConfigError: there is none.
            RunError: it is in a module that may not be imported without consent.
        """
        known = self._loaded()
        module = name.rpartition(":")[0]
        if name not in known and module and not any(other.startswith(f"{module}:") for other in known):
            require_consent(name, granted().trust_env_module, "the file", self._what)
            try:
                importlib.import_module(module)
            except ImportError as error:
                raise ConfigError(f"the {self._what} {quote(name)} cannot be imported: {quote(str(error))}.") from error
        if name not in known:
            hint = suggestion(name, known) or f" Expected one of {', '.join(known)}, or MODULE:NAME of your own."
            raise ConfigError(f"there is no {self._what} {quote(name)}.{hint}")
        return known[name]

    def __iter__(self) -> Iterator[tuple[str, T]]:
        """All that are known so far."""
        return iter(self._loaded().items())

    def _loaded(self) -> dict[str, T]:
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(package.__path__, f"{self._package}."):
            importlib.import_module(module.name)
        return self._known
