"""What the name of a model leads to, and what is in its folder; without loading it."""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatch
from importlib.resources import files
from pathlib import Path
from typing import Any

from twosome.documents import parse_json, read_text
from twosome.errors import ModelError, quote
from twosome.models._gguf import is_gguf, locate_file

NAMES = ("hearth",)
"""The embedded models; each is a folder in the format of Transformers."""
CONFIG = "config.json"
ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
WEIGHTS = "model.safetensors"
_READ = ("*.json", "*.safetensors", "*.jinja", "*.model", "*.tiktoken", "*.txt", "*.py")
_TEMPLATES = "additional_chat_templates"
_INDEX = "*.safetensors.index.json"
_WEIGHTS_FILE = re.compile(r"\w[\w.+-]*\.safetensors(\.index\.json)?", re.ASCII)


def path(name: str) -> Path:
    """The folder of an embedded model, to be given to ``from_pretrained``.

    Raises:
        ModelError: no model of this name is embedded, or it is not part of this installation.

    >>> path("hearth").name
    'hearth'
    """
    if name not in NAMES:
        raise ModelError(
            f"model {name!r} is not embedded: expected one of {', '.join(NAMES)}. "
            "Give a folder or a hub id to load another model."
        )
    folder = Path(str(files(__package__) / name))
    if not (folder / CONFIG).is_file():
        raise ModelError(
            f"the embedded model {name!r} is not part of this installation: expected config.json in {folder}. "
            "Reinstall twosome, or name another model."
        )
    return folder


def readable_files(folder: Path) -> Iterator[Path]:
    """What of a model's folder may be read, whatever it is: regular files are expected there."""
    yield from (path for path in sorted(folder.iterdir()) if any(fnmatch(path.name, pattern) for pattern in _READ))
    if os.path.lexists(folder / _TEMPLATES):
        if (folder / _TEMPLATES).is_symlink() or not (folder / _TEMPLATES).is_dir():
            yield folder / _TEMPLATES
        else:
            yield from sorted((folder / _TEMPLATES).iterdir())


def absolute_path(name_or_path: str) -> str:
    """The same name; of a folder or GGUF file its absolute path, so that it means the same wherever it is read.

    >>> absolute_path("hearth"), absolute_path("nobody/nothing")
    ('hearth', 'nobody/nothing')
    """
    if name_or_path in NAMES or not (os.path.isdir(os.path.expanduser(name_or_path)) or is_gguf(name_or_path)):
        return name_or_path
    return _absolute(name_or_path)


def is_same_model(first: str, second: str) -> bool:
    """Whether two names are those of one model, as seen from here.

    >>> is_same_model("models/mine", "./models/mine"), is_same_model("hearth", "models/hearth")
    (True, False)
    """
    return _absolute(first) == _absolute(second)


def _absolute(name_or_path: str) -> str:
    return os.path.abspath(os.path.expanduser(name_or_path))


def adapter_folder(name_or_path: str) -> Path | None:
    """The folder that a name leads to, if it holds an adapter as PEFT saves it, beside a model or alone."""
    folder = Path(os.path.expanduser(name_or_path))
    return folder if name_or_path not in NAMES and os.path.isfile(folder / ADAPTER_CONFIG) else None


def base_of_adapter(name_or_path: str) -> str | None:
    """The model that an adapter is for, if the folder that a name leads to holds an adapter alone.

    Raises:
        ModelError: the folder does not say.
    """
    folder = adapter_folder(name_or_path)
    if folder is None or os.path.isfile(folder / CONFIG):
        return None
    try:
        content = parse_json(read_text(folder / ADAPTER_CONFIG))
        base = content.get("base_model_name_or_path") if isinstance(content, dict) else None
        if not isinstance(base, str) or not base:
            raise ValueError(f"base_model_name_or_path is {quote(base)}; expected the name of a model")
    except (OSError, ValueError) as error:
        reason = quote(str(error)).strip("'\"")
        raise ModelError(
            f"the adapter_config.json in {quote(name_or_path)} cannot be read: {reason}. Copy it again."
        ) from error
    beside = folder / base
    is_beside = os.path.isdir(beside) or (os.path.isfile(beside) and is_gguf(str(beside)))
    return str(beside) if is_beside else base


def locate(name_or_path: str) -> Path | None:
    """The folder or GGUF file of a model that is embedded or named by its path; None for an id on the Hugging Face Hub.

    Raises:
        ModelError: there is nothing at a path that cannot be an id, or what is there is no model.
        MissingExtraError: it is a GGUF file, and the package `gguf` is not installed.

    >>> locate("nobody/nothing") is None
    True
    """
    if name_or_path in NAMES:
        return path(name_or_path)
    folder = Path(os.path.expanduser(name_or_path))
    if not os.path.isdir(folder):
        if is_gguf(name_or_path):
            return locate_file(name_or_path)
        # An id is NAME or OWNER/NAME.
        if name_or_path.count("/") > 1 or name_or_path.startswith((".", "~", "/")):
            raise ModelError(
                f"there is no folder {quote(name_or_path)} as seen from {Path.cwd()}: expected a model in it, as "
                "Transformers saves it. Make it first, or correct the path."
            )
        return None
    if not os.path.isfile(folder / CONFIG) and adapter_folder(name_or_path) is None:
        raise ModelError(f"the folder {folder} holds no model: expected config.json in it.")
    return folder


def require_own_weights(folder: Path) -> None:
    """Check that a model's weights are safetensors in its folder itself, whatever its files say where they are.

    Elsewhere nothing is hashed, and other formats run code when they are opened.

    Raises:
        ModelError: a file says that they are elsewhere, or cannot be read.
    """
    # Transformers reads them from the file that config.json names, if it does.
    _require_own(folder / CONFIG, "transformers_weights", lambda content: [content.get("transformers_weights")])
    for index in sorted(folder.glob(_INDEX)):
        _require_own(index, "weight_map", lambda content: (content.get("weight_map") or {}).values())


def _require_own(file: Path, name: str, named: Callable[[dict[str, Any]], Iterable[Any]]) -> None:
    """Check that what a JSON file names are safetensors beside it."""
    try:
        places = dict.fromkeys(place for place in named(parse_json(read_text(file))) if place is not None)
    except FileNotFoundError:
        return
    except (ValueError, TypeError, AttributeError) as error:
        reason = quote(str(error)).strip("'\"")
        raise ModelError(f"{file} cannot be read: {reason}. Copy the model again.") from error
    for place in places:
        if not (isinstance(place, str) and _WEIGHTS_FILE.fullmatch(place) and os.path.isfile(file.parent / place)):
            raise ModelError(
                f"{file} has {quote(place)} in its {name}; expected names of *.safetensors in the same folder. Put "
                "the weights there, or save the model anew with Transformers: save_pretrained(FOLDER)."
            )
