"""Language models, and the two doors to them: `load_model` gives one by its name, `attach` puts on what is trained.

A name is that of an embedded model, a folder, a GGUF file or an id on the Hugging Face Hub. Questions about names are
answered without PyTorch; the doors are imported on first use. Whatever else is in this package is its own.
"""

import importlib

from twosome.models._names import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    NAMES,
    WEIGHTS,
    absolute_path,
    is_same_model,
    locate,
    path,
    readable_files,
)

TYPE_CHECKING = False

if TYPE_CHECKING:
    from twosome.models._attach import Adapters as Adapters
    from twosome.models._attach import attach as attach
    from twosome.models._attach import decoder_layers as decoder_layers
    from twosome.models._attach import save as save
    from twosome.models._fingerprint import file_hashes as file_hashes
    from twosome.models._load import MergedAdapterWarning as MergedAdapterWarning
    from twosome.models._load import load_model as load_model
    from twosome.models._load import resolve_dtype as resolve_dtype
    from twosome.models._load import without_progress_bar as without_progress_bar

_LAZY = {
    "Adapters": "_attach",
    "MergedAdapterWarning": "_load",
    "attach": "_attach",
    "decoder_layers": "_attach",
    "file_hashes": "_fingerprint",
    "load_model": "_load",
    "resolve_dtype": "_load",
    "save": "_attach",
    "without_progress_bar": "_load",
}

__all__ = [
    "ADAPTER_CONFIG",
    "ADAPTER_WEIGHTS",
    "NAMES",
    "WEIGHTS",
    "Adapters",
    "MergedAdapterWarning",
    "absolute_path",
    "attach",
    "decoder_layers",
    "file_hashes",
    "is_same_model",
    "load_model",
    "locate",
    "path",
    "readable_files",
    "resolve_dtype",
    "save",
    "without_progress_bar",
]


def __getattr__(name: str) -> object:
    if name in _LAZY:
        return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
