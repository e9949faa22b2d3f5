"""Text, JSON and TOML from outside: the content, or a reason in a line."""

import json
import math
import os
from pathlib import Path

import pytest

from twosome.documents import parse_json, parse_toml, read_text, why_not_json, why_unusable


def test_json_and_toml_that_are_right_are_read():
    content = {"a": [1, -2.5, "é", None, True, {"b": {}}], "state": 2**127}
    assert parse_json(json.dumps(content)) == content
    assert parse_toml('a.b = [1, 2.5]\n[c]\nd = "e"\n') == {"a": {"b": [1, 2.5]}, "c": {"d": "e"}}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value"),
        ("[" * 100_000, "nested more than 64 deep"),
        ("[" * 65 + "]" * 65, "nested more than 64 deep"),
        ('{"a":' * 100_000, "nested more than 64 deep"),
        ("9" * 5_000, "5,000 digits"),
        ("-" + "9" * 5_000, "5,001 digits"),
        ('{"a": 1, "b": 2, "a": 3}', "key 'a' twice"),
        ("NaN", "NaN is no number"),
        ('{"a": [-Infinity]}', "-Infinity is no number"),
        ("1e999", "too large"),
        ('"a', "Unterminated string"),
        ('"\t"', "control character"),
        ("{} {}", "Extra data"),
        ("{'a': 1}", "Expecting property name"),
    ],
    ids=lambda text: text[:12],
)
def test_what_is_not_json_is_refused_with_a_reason(text, reason):
    with pytest.raises(ValueError, match=reason) as caught:
        parse_json(text)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a", "Expected"),
        ("a = 1\na = 2", "overwrite"),
        ("a = " + "[\n" * 10_000, "nested more than"),
        ("a = " + "[" * 65 + "]" * 65, "nested more than 64 deep"),
        ("a = " + "9" * 1_000, "more than 64 bits"),
        ("a = 0x" + "f" * 1_500, "more than 64 bits"),
        ("a = " + "9" * 5_000, "line 1 has more than"),
        ("\n" + ".".join("a" * 32_000) + " = 1", "line 2 has more than"),
        ("[" + ".".join("a" * 66) + "]", "line 1 begins with a name of more than 64 parts"),
        ("#\n" * 60_000, "more than 100,000 characters"),
        ("a = 1\0", "Found|Illegal|Expected"),
    ],
    ids=lambda text: text[:12],
)
def test_what_is_not_toml_is_refused_with_a_reason(text, reason):
    with pytest.raises(ValueError, match=reason) as caught:
        parse_toml(text)
    assert len(str(caught.value)) < 200


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path):
    file = tmp_path / "marked.json"
    file.write_bytes(b"\xef\xbb\xbf{}")
    assert read_text(file) == "{}"


def test_what_is_no_text_file_is_refused_with_a_reason_and_without_waiting(tmp_path):
    (tmp_path / "latin").write_bytes(b"caf\xe9")
    (tmp_path / "large").write_bytes(b"x" * 101)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    os.mkfifo(tmp_path / "pipe")
    reasons = {
        "latin": "not UTF-8.*byte 3",
        "large": "larger than 100 bytes",
        "loop": "symbolic link",
        "pipe": "no regular file",
        ".": "no regular file",
        "a" * 300: "name too long",
        "a\0b": "null",
        "latin/x": "Not a directory",
    }
    for name, reason in reasons.items():
        with pytest.raises(ValueError, match=f"(?i){reason}"):
            read_text(tmp_path / name, most_bytes=100)
    with pytest.raises(ValueError, match="no regular file"):
        read_text(Path("/dev/zero"))
    with pytest.raises(FileNotFoundError):
        read_text(tmp_path / "nothing")


@pytest.mark.parametrize("value", [{1: 2}, {"a": {2}}, [math.inf], 2**64, "\ud800", {"\udfff": 1}, {"a": b""}])
def test_what_json_cannot_keep_is_told_why(value):
    assert why_not_json(value)


def test_paths_that_no_system_takes_are_told_why():
    assert "printable" in str(why_unusable(Path("a\nb")))
    assert "printable" in str(why_unusable(Path("\udcff")))
    assert "200" in str(why_unusable(Path("é" * 101)))
    assert "3,000" in str(why_unusable(Path("a/" * 2_000)))
    assert why_unusable(Path("../é" * 20)) is None
