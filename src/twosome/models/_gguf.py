"""What a GGUF file says of itself at its beginning, read without loading a model.

GGUF is the format of llama.cpp: one file with settings, tokenizer and weights, often in four or eight bits. Its reader
in Transformers takes a while, and answers to a damaged file with whatever error it runs into; this says what is wrong.
"""

import mmap
import os
import stat
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twosome.errors import ModelError, quote
from twosome.extras import require_extras

SUFFIX = ".gguf"
_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_ALIGNMENT = 32
_MOST_DIMENSIONS = 4
_TOKENIZER = ("tokenizer.ggml.model", "tokenizer.ggml.tokens")
_OTHER_WAY = "or give the model as a folder that Transformers saved"


@dataclass(frozen=True)
class Header:
    """What a file holds."""

    architecture: str  # the family of the model, in llama.cpp's words
    tensors: tuple[str, ...]  # the weights' names


def is_gguf(name_or_path: str) -> bool:
    """Whether a name is that of a GGUF file: by its ending, there or not, or else by how a file of it begins."""
    path = Path(os.path.expanduser(name_or_path))
    if os.path.isdir(path):
        return False
    return path.name.lower().endswith(SUFFIX) or (os.path.isfile(path) and _begins_as_gguf(path))


def locate_file(name_or_path: str) -> Path:
    """A GGUF file that is there and can be read here; its name may be a link to it.

    Raises:
        ModelError: there is none, or something else is.
        MissingExtraError: the package `gguf` is not installed.
    """
    path = Path(os.path.expanduser(name_or_path))
    try:
        is_file = stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError as error:
        raise ModelError(
            f"there is no file {quote(name_or_path)} as seen from {Path.cwd()}: expected a model in llama.cpp's format "
            "GGUF. Correct the path."
        ) from error
    except (OSError, RuntimeError, ValueError) as error:  # not permitted, links in a circle, no name that can be
        raise ModelError(f"{quote(name_or_path)} cannot be read: {quote(str(error))}. Correct the path.") from error
    if not is_file:
        raise ModelError(f"{quote(name_or_path)} is no regular file; expected a model in a GGUF file, or in a folder.")
    if not _begins_as_gguf(path):
        raise ModelError(
            f"{quote(name_or_path)} is no GGUF file: one begins with the letters GGUF. Copy the model again, "
            f"{_OTHER_WAY}."
        )
    require_extras(gguf=True)
    return path


def read_header(path: Path) -> Header:
    """Read a file's settings and its list of weights, and check that all of it is there.

    Raises:
        ModelError: it is damaged, cut off, one of several parts, or has no tokenizer.
    """
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        reader = _Reader(path, content)
        try:
            settings, tensors, end = _read(reader)
        except _DamageError as error:
            raise ModelError(f"the GGUF file {quote(str(path))} is damaged: {error}. Copy the model again.") from error
        if end > len(content):
            raise _cut_off(path, end, len(content))
    if settings.get("split.count", 1) not in (0, 1):
        raise ModelError(
            f"{quote(str(path))} is one of {quote(settings['split.count'])} parts of a model. Put them together first, "
            "with llama.cpp: llama-gguf-split --merge FIRST-PART WHOLE."
        )
    architecture = settings.get("general.architecture")
    if not isinstance(architecture, str):
        raise ModelError(
            f"the GGUF file {quote(str(path))} does not say what model it holds: it has no general.architecture. Copy "
            f"the model again, {_OTHER_WAY}."
        )
    if missing := [name for name in _TOKENIZER if name not in settings]:
        raise ModelError(
            f"the GGUF file {quote(str(path))} has no tokenizer in it: expected {missing[0]}. Make the file anew with "
            f"llama.cpp's convert_hf_to_gguf.py, which puts it there, {_OTHER_WAY}."
        )
    return Header(architecture, tuple(tensors))


class _DamageError(Exception):
    """What is wrong with a file."""


class _Reader:
    """A file, piece by piece; what lies behind its end is an error."""

    def __init__(self, path: Path, content: mmap.mmap) -> None:
        self._path = path
        self._content = content
        self.place = 0

    def skip(self, num_bytes: int) -> int:
        """Go on; returns where the skipped bytes begin."""
        start, self.place = self.place, self.place + num_bytes
        if self.place > len(self._content):
            raise _cut_off(self._path, self.place, len(self._content))
        return start

    def number(self, code: str) -> Any:
        start = self.skip(struct.calcsize(f"<{code}"))
        return struct.unpack_from(f"<{code}", self._content, start)[0]

    def text(self) -> str:
        size = self.number("Q")
        start = self.skip(size)
        return self._content[start : start + size].decode("utf-8", errors="replace")

    def value(self) -> Any:
        """A setting's value; of a list, which is skipped, nothing."""
        kind = self.number("I")
        if kind == _STRING:
            return self.text()
        if kind != _ARRAY:
            return self.number(_code(kind))
        kind, count = self.number("I"), self.number("Q")
        if kind == _STRING:
            for _ in range(count):
                self.skip(self.number("Q"))
        else:
            self.skip(count * struct.calcsize(f"<{_code(kind)}"))
        return None


def _read(reader: _Reader) -> tuple[dict[str, Any], list[str], int]:
    """The settings, the weights' names, and where the last of them ends."""
    reader.skip(len(_MAGIC))
    if (version := reader.number("I")) not in _VERSIONS:
        raise _DamageError(f"its format is version {version}; expected {' or '.join(map(str, _VERSIONS))}")
    num_tensors, num_settings = reader.number("Q"), reader.number("Q")
    settings = {}
    for _ in range(num_settings):
        name = reader.text()
        settings[name] = reader.value()
    names, end = [], 0
    for _ in range(num_tensors):
        names.append(reader.text())
        num_dimensions = reader.number("I")
        if num_dimensions > _MOST_DIMENSIONS:
            raise _DamageError(f"its {quote(names[-1])} has {num_dimensions} dimensions")
        num_elements = 1
        for _ in range(num_dimensions):
            num_elements *= reader.number("Q")
        kind, offset = reader.number("I"), reader.number("Q")
        end = max(end, offset + _num_bytes(names[-1], kind, num_elements))
    alignment = settings.get("general.alignment", _ALIGNMENT)
    if not isinstance(alignment, int) or alignment < 1:
        raise _DamageError(f"its general.alignment is {quote(alignment)}")
    return settings, names, -(-reader.place // alignment) * alignment + end


def _num_bytes(name: str, kind: int, num_elements: int) -> int:
    """Of a tensor; weights of fewer bits come in blocks, each with a scale of its own."""
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    try:
        block, block_bytes = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
    except (ValueError, KeyError) as error:
        raise _DamageError(
            f"its {quote(name)} is of a kind ({kind}) that the installed package gguf does not know; a newer one may "
            "(pip install -U gguf)"
        ) from error
    return int(num_elements // block * block_bytes)


def _code(kind: int) -> str:
    if kind not in _NUMBERS:
        raise _DamageError(f"it has a value of an unknown kind ({kind})")
    return _NUMBERS[kind]


def _cut_off(path: Path, expected: int, actual: int) -> ModelError:
    return ModelError(
        f"the GGUF file {quote(str(path))} is cut off: it has {actual:,} bytes, and what it says of itself needs "
        f"{expected:,} at least. Copy or download the model again."
    )


def _begins_as_gguf(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False
