"""Words that must be one of a few: what to say when they are not."""

import difflib
from collections.abc import Iterable, Sequence

from twosome.errors import ConfigError


def suggestion(word: object, allowed: Iterable[str]) -> str:
    """The end of a message: which of the allowed words was probably meant; "" where none comes close."""
    close = difflib.get_close_matches(str(word), list(allowed), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def check_choice(name: str, value: object, allowed: Sequence[str]) -> None:
    """Accept `value` only if it is one of `allowed`.

    Raises:
        ConfigError: it is not; the message names the choices and the one that was probably meant.
    """
    if value not in allowed:
        raise ConfigError(
            f"{name}={value!r} is unknown here; expected one of {', '.join(map(repr, allowed))}."
            f"{suggestion(value, allowed)}"
        )
