"""Arguments of environments that must be of a kind: what to say when they are not."""

import difflib
from collections.abc import Iterable, Sequence

from twosome.errors import ConfigError, quote


def suggestion(word: object, allowed: Iterable[str]) -> str:
    """The end of a message: which of the allowed words was probably meant; "" where none comes close."""
    close = difflib.get_close_matches(word, list(allowed), n=1) if isinstance(word, str) else []
    return f" Did you mean {close[0]!r}?" if close else ""


def check_choice(name: str, value: object, allowed: Sequence[str]) -> None:
    """Accept `value` only if it is one of `allowed` (ConfigError)."""
    if value not in allowed:
        raise ConfigError(
            f"{name}={quote(value)} is unknown here; expected one of {', '.join(map(repr, allowed))}."
            f"{suggestion(value, allowed)}"
        )


def check_whole(name: str, value: object, least: int, most: int | None = None, *, default: int) -> None:
    """Accept `value` only if it is a whole number within bounds (ConfigError)."""
    if type(value) is not int or value < least or (most is not None and value > most):
        bounds = f"from {least} on" if most is None else f"from {least} to {most:,}"
        raise ConfigError(f"{name}={quote(value)}: expected a whole number {bounds}; the default is {default}.")


def check_flag(name: str, value: object) -> None:
    """Accept `value` only if it is True or False (ConfigError)."""
    if not isinstance(value, bool):
        raise ConfigError(f"{name}={quote(value)}: expected True or False.")
