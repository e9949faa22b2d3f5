"""Reading what comes from outside: text, JSON and TOML, strictly and within bounds; and paths that can be used.

Whatever is given, the answer is its content or a ValueError whose message is a reason in at most a line. The caller
says what was expected in that place and what to do; `read_toml` does so itself.
"""

import json
import math
import sys
from collections import Counter
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from twosome.errors import ConfigError, RunError, quote
from twosome.files import FILE_BYTES, open_to_read

DEEPEST = 64
"""Nesting of lists and objects. What is deeper would end the recursion of those who write or copy it."""
_MOST_DIGITS = 100
"""Of a whole number in JSON; a random generator's state has 39."""
_MOST_TOML, _MOST_TOML_LINE = 100_000, 2_000
"""Characters of a document, and of a line. A key of many parts takes the parser time that grows with their square."""
_LONGEST_NAME, _LONGEST_PATH = 200, 3_000
"""Systems take 255 and 4,096 bytes; the rest is for what is written aside and below."""


def read_text(path: Path, most_bytes: int = FILE_BYTES) -> str:
    """The text in a file, without the mark that some editors begin UTF-8 with.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no regular file, not readable, too large, or not UTF-8.
    """
    try:
        with open_to_read(path, follow_links=True) as file:
            content = file.read(most_bytes + 1)
    except FileNotFoundError:
        raise
    except RunError as error:
        raise ValueError("it is no regular file") from error
    except OSError as error:
        raise ValueError(error.strerror or type(error).__name__) from error
    if len(content) > most_bytes:
        raise ValueError(f"it is larger than {most_bytes:,} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8: {error.reason} at byte {error.start}") from error


def parse_json(text: str) -> Any:
    """What a JSON document says.

    Python's own reader takes more than JSON: NaN and Infinity, numbers beyond what a float can hold, and of two equal
    keys the last. Here they are errors.

    Raises:
        ValueError: it is not JSON, nested too deeply, or has a number of too many digits.

    >>> parse_json('{"layout": "B"}')
    {'layout': 'B'}
    """
    try:
        content = _DECODER.decode(text)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    require_shallow(content)
    return content


def parse_toml(text: str) -> dict[str, Any]:
    """What a TOML document says.

    Raises:
        ValueError: it is not TOML, too long, nested too deeply, or has a whole number of more than 64 bits.
    """
    if len(text) > _MOST_TOML:
        raise ValueError(f"it has more than {_MOST_TOML:,} characters")
    for number, line in enumerate(text.split("\n"), start=1):
        if len(line) > _MOST_TOML_LINE:
            raise ValueError(f"line {number} has more than {_MOST_TOML_LINE:,} characters")
        if line.partition("=")[0].count(".") > DEEPEST:
            raise ValueError(f"line {number} begins with a name of more than {DEEPEST} parts")
    try:
        content = tomllib.loads(text)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    for value in require_shallow(content):
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise ValueError("it has a whole number of more than 64 bits")
    return content


def read_toml(file: Path, what: str, page: str) -> dict[str, Any]:
    """What the TOML file says that a command was given.

    Args:
        file: its path.
        what: it is, for messages.
        page: of the documentation, which shows an example.

    Raises:
        ConfigError: it cannot be read, or is not TOML.
    """
    name = quote(str(file))
    try:
        content = read_text(file)
    except FileNotFoundError as error:
        raise ConfigError(f"there is no file {name}; expected {what}.") from error
    except ValueError as error:
        raise ConfigError(f"{name} cannot be read: {error}. Expected {what}.") from error
    try:
        return parse_toml(content)
    except ValueError as error:
        raise ConfigError(f"{name} is not TOML: {error}. {page} shows an example.") from error


def require_shallow(content: Any) -> list[Any]:
    """All values in a document, refused where lists and objects are nested more than `DEEPEST` deep.

    Raises:
        ValueError: they are.
    """
    found, level = [content], [content]
    for _ in range(DEEPEST):
        level = [
            inner
            for value in level
            if isinstance(value, (dict, list, tuple))
            for inner in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return found
        found += level
    raise ValueError(_TOO_DEEP)


def why_not_json(value: Any) -> str | None:
    """Why a value made in Python or read from TOML cannot be written as JSON and read again; None if it can.

    >>> why_not_json({"size": [3, 4]}), why_not_json({1: 2})
    (None, 'its key 1 is no text')
    """
    try:
        values = require_shallow(value)
    except ValueError as error:
        return str(error)
    for part in values:
        if isinstance(part, float) and not math.isfinite(part):
            return f"{part} is no number in JSON"
        if isinstance(part, int) and not -(2**63) <= part < 2**63:
            return "a whole number in it has more than 64 bits"
        if not isinstance(part, (dict, list, tuple, str, int, float, type(None))):
            return f"{quote(part)} has no form in JSON"
        names = list(part) if isinstance(part, dict) else [part] if isinstance(part, str) else []
        for name in names:
            if not isinstance(name, str):
                return f"its key {quote(name)} is no text"
            if not is_unicode(name):
                return f"{quote(name)} is not Unicode"
    return None


def is_unicode(text: str) -> bool:
    """Whether a text can be encoded; one with halves of surrogate pairs cannot."""
    return not any("\ud800" <= c <= "\udfff" for c in text)


def why_unusable(path: Path) -> str | None:
    """Why nothing can be written below a path, whatever the disk; None if it can.

    >>> why_unusable(Path("runs/mine")), why_unusable(Path("a" * 300))
    (None, 'a name in it has more than 200 bytes')
    """
    text = str(path)
    if not text.isprintable():
        return "it has characters that are not printable"
    if any(len(part.encode()) > _LONGEST_NAME for part in path.parts):
        return f"a name in it has more than {_LONGEST_NAME} bytes"
    if len(text.encode()) > _LONGEST_PATH:
        return f"it has more than {_LONGEST_PATH:,} bytes"
    return None


_TOO_DEEP = f"it is nested more than {DEEPEST} deep"


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        (twice, _), *_ = counts.most_common(1)
        raise ValueError(f"it has the key {quote(twice)} twice in one object")
    return content


def _float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"the number {quote(digits)} is too large")
    return number


def _int(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"a whole number in it has {len(digits):,} digits")
    return int(digits)


def _constant(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_float=_float, parse_int=_int, parse_constant=_constant)
