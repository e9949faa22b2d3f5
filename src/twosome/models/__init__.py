"""Language models that ship inside the package, so that everything runs without a network."""

import os
from importlib.resources import files
from pathlib import Path

from twosome.errors import ModelError, quote

NAMES = ("hearth",)
"""The embedded models; each is a folder in the format of Transformers."""
CONFIG = "config.json"
ADAPTER_CONFIG = "adapter_config.json"


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
    folder = Path(str(files(__name__) / name))
    if not (folder / CONFIG).is_file():
        raise ModelError(
            f"the embedded model {name!r} is not part of this installation: expected config.json in {folder}. "
            "Reinstall twosome, or name another model."
        )
    return folder


def everywhere(name_or_path: str) -> str:
    """The same name; of a folder its absolute path, so that it means the same wherever it is read.

    >>> everywhere("hearth"), everywhere("nobody/nothing")
    ('hearth', 'nobody/nothing')
    """
    is_folder = name_or_path not in NAMES and os.path.isdir(os.path.expanduser(name_or_path))
    return _absolute(name_or_path) if is_folder else name_or_path


def same(first: str, second: str) -> bool:
    """Whether two names are those of one model, as seen from here.

    >>> same("models/mine", "./models/mine"), same("hearth", "models/hearth")
    (True, False)
    """
    return _absolute(first) == _absolute(second)


def _absolute(name_or_path: str) -> str:
    return os.path.abspath(os.path.expanduser(name_or_path))


def adapter_folder(name_or_path: str) -> Path | None:
    """The folder that a name leads to, if it holds an adapter as PEFT saves it, beside a model or alone."""
    folder = Path(os.path.expanduser(name_or_path))
    return folder if name_or_path not in NAMES and os.path.isfile(folder / ADAPTER_CONFIG) else None


def locate(name_or_path: str) -> Path | None:
    """The folder of a model that is embedded or named by its path; None for an id on the Hugging Face Hub.

    Raises:
        ModelError: there is no folder at a path that cannot be an id, or it holds no model.

    >>> locate("nobody/nothing") is None
    True
    """
    if name_or_path in NAMES:
        return path(name_or_path)
    folder = Path(os.path.expanduser(name_or_path))
    if not os.path.isdir(folder):
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
