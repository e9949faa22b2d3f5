"""The algorithms that `--algorithm` knows by name: those of this package, and those that users register.

Names can be checked and listed without PyTorch. What an algorithm is made of: `twosome.ppo.credit`.
"""

import difflib
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from twosome.errors import ConfigError, TwosomeError, quote

Kind = TypeVar("Kind", bound=type)


@dataclass(frozen=True)
class Entry:
    """An algorithm by name."""

    module: str  # where it is defined
    attribute: str  # what the class is called there
    critic: bool = True  # whether a value head is trained for it
    made: Any = None  # the class itself; None: to be imported


_KNOWN = {
    "ppo": Entry("twosome.ppo.credit.ppo", "Ppo"),
    "poad": Entry("twosome.ppo.credit.poad", "Poad"),
    "grpo": Entry("twosome.ppo.credit.grpo", "Grpo", critic=False),
}
BUILT_IN = tuple(_KNOWN)


def register_algorithm(name: str, *, critic: bool = True) -> Callable[[Kind], Kind]:
    """A decorator for a class that is an `Algorithm`: from then on `--algorithm` knows it.

    On the command line the module goes before the name, which imports it: ``--algorithm my_module:mine``.

    Args:
        name: without a colon; another class must not have it.
        critic: whether a value head is to be trained for it.

    Raises:
        ConfigError: the name is taken, or is none.
    """
    if not name.isidentifier():
        raise ConfigError(f"an algorithm is called {quote(name)}; expected letters, digits and _, such as 'reinforce'.")

    def register(made: Kind) -> Kind:
        entry, known = Entry(made.__module__, made.__qualname__, critic, made), _KNOWN.get(name)
        # The same class once more is a notebook's cell that was run again.
        if known is not None and (known.module, known.attribute) != (entry.module, entry.attribute):
            raise ConfigError(
                f"there is an algorithm {name!r} already: {known.module}.{known.attribute}. Choose another name."
            )
        _KNOWN[name] = entry
        return made

    return register


def require_algorithm(name: str) -> None:
    """Refuse a name that no algorithm has; one with a module before it is taken on trust until it is needed.

    Raises:
        ConfigError: there is no such algorithm.
    """
    module, _, bare = name.rpartition(":")
    if module:
        if not bare.isidentifier() or not all(part.isidentifier() for part in module.split(".")):
            raise ConfigError(f"--algorithm is {quote(name)}; expected a name, or module:name to import it.")
    elif bare not in _KNOWN:
        raise ConfigError(_unknown(name, ""))


def has_critic(name: str) -> bool:
    """Whether a value head is trained; for an algorithm whose module is not imported yet, that is taken to be so."""
    entry = _KNOWN.get(name.rpartition(":")[2])
    return entry is None or entry.critic


def algorithm_class(name: str) -> Any:
    """The class of an algorithm; a module before its name is imported.

    Raises:
        ConfigError: there is no such algorithm, or it cannot be imported.
    """
    require_algorithm(name)
    module, _, bare = name.rpartition(":")
    if module:
        _import(module, name)
    entry = _KNOWN.get(bare)
    if entry is None or (module and entry.module != module):
        raise ConfigError(_unknown(name, f": the module {quote(module)} registers none of that name"))
    return entry.made or getattr(importlib.import_module(entry.module), entry.attribute)


def qualified(name: str) -> str:
    """The name by which another process finds an algorithm too: one that was registered has its module before it."""
    entry = _KNOWN.get(name)
    return name if entry is None or name in BUILT_IN else f"{entry.module}:{name}"


def _import(module: str, name: str) -> None:
    try:
        importlib.import_module(module)
    except TwosomeError:
        raise
    except (Exception, SystemExit) as error:  # whatever a foreign module does while it is imported
        raise ConfigError(
            f"--algorithm {quote(name)}: importing the module {quote(module)} failed with {type(error).__name__}: "
            f"{quote(str(error))}. Expected a module in the current folder, or an installed one, that registers it."
        ) from error


def _unknown(name: str, reason: str) -> str:
    close = difflib.get_close_matches(name.rpartition(":")[2], _KNOWN, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return (
        f"--algorithm is {quote(name)}, and there is no such algorithm{reason}.{hint} Expected one of "
        f"{', '.join(_KNOWN)}, or module:name; one that a script has registered is known to that script alone, so go "
        "on from there."
    )
