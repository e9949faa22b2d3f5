"""Checks of settings, of whatever class: whether a value fits its annotation and its range, and what to say.

A field says both in its annotation: ``clip: Positive``, ``lora_alpha: Annotated[int, Range(1, 10**6)]``. Its class
calls `check_settings` in `__post_init__`.
"""

import functools
import types
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from twosome.documents import is_unicode, why_not_json, why_unusable
from twosome.errors import ConfigError, quote

MOST_THREADS = 1024
LARGEST = 1e30
"""Of a setting that enters the arithmetic of training, which is in float32 and ends at 3.4e38."""


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both included unless ``above`` excludes ``low``.

    >>> 0 in Range(0, 1), 0 in Range(0, 1, above=True), float("nan") in Range(0, 1)
    (True, False, False)
    """

    low: int | float
    high: int | float
    above: bool = False

    def __contains__(self, value: int | float) -> bool:
        return (self.low < value if self.above else self.low <= value) and value <= self.high

    def __str__(self) -> str:
        high = f"{self.high:,}" if isinstance(self.high, int) else f"{self.high:g}"
        return f"{'greater than' if self.above else 'at least'} {self.low} and at most {high}"


Normalization = Literal["none", "token", "word", "byte", "pmi", "learned"]
"""What an action's joint log-probability is divided by, or what is subtracted from it."""
DType = Literal["auto", "float32", "bfloat16", "float16"]
Quantization = Literal["8bit", "4bit"] | None
PromptFormat = Literal["plain", "chat"]

# Numbers up to what later code can bear, with room above what anybody wants.
Seed = Annotated[int, Range(0, 2**63 - 1)]
SmallCount = Annotated[int, Range(1, 10_000)]
Count = Annotated[int, Range(1, 10**7)]
Positive = Annotated[float, Range(0, LARGEST, above=True)]
NotNegative = Annotated[float, Range(0, LARGEST)]
Share = Annotated[float, Range(0, 1)]
Threads = Annotated[int, Range(1, MOST_THREADS)]


def check_settings(settings: Any, *, flags: bool = False, unset: Collection[str] = ()) -> None:
    """Refuse a settings object with a value of another type than its field has, or out of its range.

    Args:
        settings: a dataclass.
        flags: whether the fields are named as flags of the command line.
        unset: fields that may be None yet.

    Raises:
        ConfigError: there is one; the message names it.
    """
    ranges = ranges_of(settings.__class__)
    for name, hint in _hints(settings.__class__).items():
        value = getattr(settings, name)
        if value is None and name in unset:
            continue
        expected = misfit(value, hint)
        if get_origin(hint) is tuple and not isinstance(value, tuple):
            # A text would be taken letter by letter.
            words = words_of(hint) or [value if isinstance(value, str) else "q_proj"]
            expected = f"a tuple of texts, such as {(words[0],)!r}"
        if expected is None and name in ranges and value is not None and value not in ranges[name]:
            expected = str(ranges[name])
        if expected is None and (reason := _unwritable(value)):
            expected = f"another, since {reason}"
        if expected is not None:
            raise refusal(f"--{name.replace('_', '-')}" if flags else name, value, expected)


def refusal(name: str, value: object, expected: str) -> ConfigError:
    """The error that says what is wrong with a setting."""
    return ConfigError(f"{name} is {quote(_plain(value))}; expected {expected}.")


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value


@functools.cache
def ranges_of(kind: type) -> dict[str, Range]:
    """The range of each field of a settings class that has one."""
    return {
        name: part
        for name, hint in get_type_hints(kind, include_extras=True).items()
        for annotated in (hint, *get_args(hint))
        for part in getattr(annotated, "__metadata__", ())
        if isinstance(part, Range)
    }


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _unwritable(value: Any) -> str | None:
    """Why a value cannot be written into a run, read again and handed to the system; None if it can."""
    if isinstance(value, dict):
        return why_not_json(value)
    if isinstance(value, Path):
        return why_unusable(value)
    texts = [value] if isinstance(value, str) else value if isinstance(value, tuple) else ()
    if any("\0" in text or not is_unicode(text) for text in texts):
        return "it has characters that no file or name can have"
    return None


def fits(value: Any, hint: Any) -> bool:
    """Whether a value, as Python or TOML has it, may stand for a setting of this type.

    >>> fits(1, float), fits(True, float), fits("a", Literal["a", "b"]), fits([1], tuple[str, ...])
    (True, False, True, False)
    """
    arguments = get_args(hint)
    if get_origin(hint) in (Union, types.UnionType):
        return any(fits(value, part) for part in arguments)
    if get_origin(hint) is Literal:
        return isinstance(value, str) and value in arguments
    if get_origin(hint) is tuple:
        return isinstance(value, (list, tuple)) and all(fits(item, arguments[0]) for item in value)
    if hint in (int, float):
        return isinstance(value, (int, hint)) and not isinstance(value, bool)
    return isinstance(value, get_origin(hint) or hint)


def misfit(value: Any, hint: Any) -> str | None:
    """What is expected in place of a value of another type; None where it fits.

    >>> misfit(1e4, int), misfit(10_000, int)
    ('a whole number, such as 10000', None)
    """
    if fits(value, hint):
        return None
    whole = isinstance(value, float) and value.is_integer() and fits(int(value), hint)
    return f"{type_name(hint)}, such as {value:.0f}" if whole and abs(value) < LARGEST else type_name(hint)


def words_of(hint: Any) -> list[str]:
    """The words that a setting may be; none if it may be any."""
    parts = [hint, *get_args(hint)]
    return [word for part in parts if get_origin(part) is Literal for word in get_args(part)]


def type_name(hint: Any) -> str:
    """What is expected of a setting, in words."""
    if words := words_of(hint):
        some = "some" if get_origin(hint) is tuple else "one"
        return f"{some} of {', '.join(words)}"
    names = {
        int: "a whole number",
        float: "a number",
        str: "a text",
        bool: "true or false",
        dict: "a table",
        list: "a list",
        tuple: "a list of texts",
        Path: "a folder",
    }
    kinds = [names[kind] for part in (hint, *get_args(hint)) if (kind := get_origin(part) or part) in names]
    return kinds[0] if kinds else str(hint)


def require_at_least(name: str, value: int, minimum: int) -> None:
    """Refuse a number that is too small, or larger than later code can bear.

    Args:
        name: of the flag, without its dashes.
        value: as given.
        minimum: the least that is accepted.

    Raises:
        ConfigError: the value is less or more.
    """
    accepted = Range(minimum, MOST_THREADS if name == "threads" else 2**31 - 1)
    if value not in accepted:
        raise refusal(f"--{name}", value, str(accepted))
