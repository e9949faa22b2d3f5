"""What settings may be, by their annotations and ranges: whether a value fits, and what to say where it does not."""

import types
from typing import Any, Literal, Union, get_args, get_origin

from twosome.errors import ConfigError


def fits(value: Any, hint: Any) -> bool:
    """Whether a value, as Python or TOML has it, may stand for a setting of this type.

    >>> fits(1, float), fits(True, float), fits("a", Literal["a", "b"]), fits([1], tuple[str, ...])
    (True, False, True, False)
    """
    arguments = get_args(hint)
    if get_origin(hint) in (Union, types.UnionType):
        return any(fits(value, part) for part in arguments)
    if get_origin(hint) is Literal:
        return value in arguments
    if get_origin(hint) is tuple:
        return isinstance(value, (list, tuple)) and all(fits(item, arguments[0]) for item in value)
    if hint in (int, float):
        return isinstance(value, (int, hint)) and not isinstance(value, bool)
    return isinstance(value, get_origin(hint) or hint)


def words_of(hint: Any) -> list[str]:
    """The words that a setting may be; none if it may be any."""
    parts = [hint, *get_args(hint)]
    return [word for part in parts if get_origin(part) is Literal for word in get_args(part)]


def type_name(hint: Any) -> str:
    """What is expected of a setting, in words."""
    if words := words_of(hint):
        return f"one of {', '.join(words)}"
    names = {
        int: "a whole number",
        float: "a number",
        str: "a text",
        bool: "true or false",
        dict: "a table",
        list: "a list",
        tuple: "a list of texts",
    }
    kinds = [names[kind] for part in (hint, *get_args(hint)) if (kind := get_origin(part) or part) in names]
    return kinds[0] if kinds else str(hint)


def require_at_least(name: str, value: int, minimum: int) -> None:
    """Refuse a number that is too small.

    Args:
        name: of the flag, without its dashes.
        value: as given.
        minimum: the least that is accepted.

    Raises:
        ConfigError: the value is less.
    """
    if value < minimum:
        raise ConfigError(f"--{name} is {value}; expected at least {minimum}.")
