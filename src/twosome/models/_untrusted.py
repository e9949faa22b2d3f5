"""What the files of a model from anywhere may be and say: nothing that makes Transformers leave its folder or run code.

Code that a folder holds runs only where it is asked for, which Transformers sees to. But its files may be links, and
its settings may name files elsewhere and code on the Hugging Face Hub that computes attention. Weights that are
elsewhere are refused in any case (`_names.require_own_weights`).
"""

import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from transformers import PreTrainedConfig

from twosome.errors import ModelError, quote
from twosome.models._names import readable_files

_PLAIN = re.compile(r"[\w.-]+")
_IMPLEMENTATION = re.compile(r"[\w|]+")


def require_own_files(folder: Path) -> None:
    """Check that what is read of a model's folder are regular files in it; those of the hub's cache are links into it.

    Raises:
        ModelError: a link leads elsewhere, or there is a pipe, a device or a folder in place of a file.
    """
    top = folder.resolve()
    roots = [top, *([top.parents[1] / "blobs"] if top.parent.name == "snapshots" else [])]
    for path in readable_files(folder):
        try:
            place = path.resolve(strict=True)
            is_file = stat.S_ISREG(place.stat().st_mode)
        except (OSError, RuntimeError):  # it leads nowhere, or in a circle
            is_file = False
        if not is_file or not any(place.is_relative_to(root) for root in roots):
            raise ModelError(
                f"{quote(str(path))} is no regular file in the model's folder: it is a folder, a pipe, a device or a "
                "link that leads outside. Put the file itself there, or, if you trust the model, say "
                "--trust-remote-code."
            )


def require_own_settings(name_or_path: str, source: str) -> None:
    """Check that the settings of a model and of its tokenizer name no files elsewhere and no code.

    Args:
        name_or_path: of the model.
        source: the folder to load it from, or its id on the Hugging Face Hub.

    Raises:
        ModelError: they do.
    """
    get: Any = PreTrainedConfig.get_config_dict
    config = get(source)[0]
    for name, value in _entries(config):
        if name.endswith("implementation") and isinstance(value, str) and not _IMPLEMENTATION.fullmatch(value):
            raise ModelError(
                f"the config.json of {quote(name_or_path)} asks for attention by code from the Hugging Face Hub: its "
                f"{name} is {quote(value)}. Take that out of it, or, if you trust that code, say --trust-remote-code "
                "(in Python: trust_remote_code=True)."
            )
    settings = Path(source) / "tokenizer_config.json"
    if not settings.is_file():
        return
    content = _object(settings)
    for name in content.get("fast_tokenizer_files") or ():
        _require_name(settings, "fast_tokenizer_files", name)
    for name, value in content.items():
        # Tokenizers often name files of the machine that they were made on; what is not here cannot be read.
        given = value if name == "init_inputs" and isinstance(value, list) else [value] * name.endswith("_file")
        for file in given:
            if isinstance(file, str) and os.path.exists(Path(source) / file):
                _require_name(settings, name, file)


def _require_name(path: Path, entry: str, name: object) -> None:
    if not isinstance(name, str) or not _PLAIN.fullmatch(name) or name.strip(".") == "":
        raise ModelError(
            f"{quote(str(path))} has {quote(name)} in its {entry}; expected the name of a file in the same folder. "
            "Correct it, or, if you trust the model, say --trust-remote-code."
        )


def _object(path: Path) -> dict[str, Any]:
    """The object in a JSON file, empty if it holds none, which its reader says better."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _entries(value: Any) -> Iterator[tuple[str, Any]]:
    """Every entry of a JSON document, however deep, with the name that it is under."""
    stack = [("", value)]
    while stack:
        name, content = stack.pop()
        yield name, content
        if isinstance(content, dict):
            # An implementation may be given for each part of a model by the part's name.
            inherits = name.endswith("implementation")
            stack += [(name if inherits else key, child) for key, child in content.items()]
        elif isinstance(content, list):
            stack += [(name, child) for child in content]
