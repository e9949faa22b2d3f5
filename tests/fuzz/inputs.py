"""What strangers may hand in: texts, values and files that are almost right, and some that are nothing at all."""

import copy
import json
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

NASTY_TEXTS = (
    "",
    " ",
    "\x00",
    "\x1b[31mred\x1b[0m\x07",
    "line\nline\r\n\tline",
    "\u202eltr\u200f\ufeff",
    "\u2028\x85",
    "\ud800",
    "a\udcffb",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467",
    "e" + "\u0301" * 300,
    "你想把书放在桌子上。现在你",
    "x" * 5000,
    "$x^$ `code` *bold* | <script>alert(1)</script> %s {0} [red]",
    "../../escaped",
    "/nonexistent/folder",
    "~nobody9/x",
    "-",
    "--json",
    "a/b/c",
    "a:b",
    "NaN",
    "1e999",
    "None",
    "hearth",
    "TomatoSalad",
    "<|endoftext|></s><s>[UNK]",
)


def inputs(short: int, long: int) -> settings:
    """How many inputs a test tries: in the suite, and with the profile `long`."""
    many = settings.get_current_profile_name() == "long"
    return settings(max_examples=long if many else short)


def texts(max_size: int = 20) -> st.SearchStrategy[str]:
    """Any text, lone surrogates included."""
    return st.sampled_from(NASTY_TEXTS) | st.text(st.characters(), max_size=max_size)


def numbers() -> st.SearchStrategy[Any]:
    """Numbers at and beyond the edges of what machines can hold."""
    edges = (0, -1, 1, 2**31 - 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, 10**30, -(10**30))
    floats = (1e-320, 1e38, 1e39, 1e308, -0.0, 0.5)
    return st.sampled_from([*edges, *floats]) | st.integers(-5, 300) | st.floats() | st.integers()


def json_values() -> st.SearchStrategy[Any]:
    """Values as JSON has them, with the NaN and Infinity that Python's JSON knows."""
    leaves = st.none() | st.booleans() | numbers() | texts()
    return leaves | st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts(8), inner, max_size=3),
        max_leaves=4,
    )


def places(document: Any) -> list[tuple[Any, ...]]:
    """Paths of keys and indices to everything inside a document."""
    entries = document.items() if isinstance(document, dict) else enumerate(document)
    found = []
    for key, value in entries:
        found.append((key,))
        if isinstance(value, (dict, list)):
            found += [(key, *rest) for rest in places(value)]
    return found


@st.composite
def mutated(draw: st.DrawFn, document: Any, values: st.SearchStrategy[Any] | None = None) -> Any:
    """A copy of a document of dicts and lists in which one to three things are other than they were."""
    values = json_values() if values is None else values
    document = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        known = places(document)
        if not known:
            return document
        *above, key = draw(st.sampled_from(known))
        holder = document
        for step in above:
            holder = holder[step]
        what = draw(st.sampled_from(("replace", "replace", "remove", "add", "exchange", "nudge")))
        if what == "remove":
            del holder[key]
        elif what == "add" and isinstance(holder, dict):
            holder[draw(texts(8))] = draw(values)
        elif what == "add":
            holder.insert(key, draw(values))
        elif what == "exchange":
            other = draw(st.sampled_from(known))
            value = document
            for step in other:
                value = value[step] if _has(value, step) else None
            holder[key] = copy.deepcopy(value)
        elif what == "nudge" and isinstance(holder[key], (int, float)) and not isinstance(holder[key], bool):
            holder[key] = holder[key] + draw(st.sampled_from((-1, 1, 0.5, -1000, 1000)))
        elif what == "nudge" and isinstance(holder[key], str):
            holder[key] = holder[key] + draw(texts(4))
        else:
            holder[key] = draw(values)
    return document


def _has(value: Any, step: Any) -> bool:
    return (isinstance(value, dict) and step in value) or (
        isinstance(value, list) and isinstance(step, int) and step < len(value)
    )


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """A file's content with a piece cut out, doubled or replaced; or something else altogether."""
    other = (
        b"",
        b"\xff\xfe\x00",
        b"\xef\xbb\xbf" + content,
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"9" * 5000,
        b'{"a": ' + b"9" * 5000 + b"}",
        b"null",
        b"[]",
        b"{}",
        b"{}\n" * 3,
        b"NaN",
        b'{"a": 1e999, "b": "\\ud800"}',
        b"a = " + b"[" * 20_000,
        b"a = " + b"9" * 5000,
        b"x." * 20_000 + b"y = 1",
        content.decode("utf-8", "replace").encode("utf-16"),
    )
    if draw(st.booleans()):
        return draw(st.sampled_from(other))
    start = draw(st.integers(0, len(content)))
    end = draw(st.integers(start, min(len(content), start + 40)))
    pieces = st.sampled_from((b"", content[start:end] * 2, b"\x00", b"\x1b[2J", b"-", b"1e999"))
    piece = draw(pieces | st.binary(max_size=6))
    return content[:start] + piece + content[end:]


def json_bytes(document: Any) -> bytes:
    """A document as a file; lone surrogates are escaped, as JSON writes them."""
    return json.dumps(document).encode()
