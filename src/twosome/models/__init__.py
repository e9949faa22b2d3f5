"""Language models that ship inside the package, so that everything runs without a network."""

from importlib.resources import files
from pathlib import Path

from twosome.errors import ModelError

NAMES = ("hearth",)
"""The embedded models; each is a folder in the format of Transformers."""


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
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"the embedded model {name!r} is not part of this installation: expected config.json in {folder}. "
            "Reinstall twosome, or name another model."
        )
    return folder
