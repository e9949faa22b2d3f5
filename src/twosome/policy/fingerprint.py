"""Which files a model was loaded from, by their hashes: so that a run knows its model again.

Hashing reads every file once, some files at a time; the weights are read for the model anyway, so what it costs is
the computing: about a second for each gigabyte and core.
"""

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from pathlib import Path

from huggingface_hub import try_to_load_from_cache

from twosome import models
from twosome.config import TrainConfig
from twosome.errors import ModelError, RunError, quote
from twosome.trust import ChangedRunWarning

_WEIGHTS = ("*.safetensors", "*.safetensors.index.json")
_OTHERS = (
    "config.json",
    "adapter_config.json",
    "tokenizer*",
    "vocab*",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template*",
    "additional_chat_templates/*",
    "*.model",
    "*.tiktoken",
    "*.py",
)
_PIECE_BYTES = 2**20


def model_files(config: TrainConfig) -> dict[str, str]:
    """SHA-256 of each file that decides what the model of a run is before training, by its name.

    With random weights those of the folder decide nothing, and are left out. A GGUF file is always read whole.

    Raises:
        ModelError: the model is not on this machine.
    """
    wanted = _OTHERS if config.random_init else (*_WEIGHTS, *_OTHERS)
    files = _files(config.model, wanted)
    # An adapter that lies alone is merged into a model that lies elsewhere.
    base = models.base_of_adapter(config.model)
    if base is not None:
        files |= {f"base/{name}": file for name, file in _files(base, wanted).items()}
    with ThreadPoolExecutor() as pool:
        return dict(zip(files, pool.map(sha256_of, files.values()), strict=True))


def _files(model: str, wanted: Sequence[str]) -> dict[str, Path]:
    """The files in a model's folder whose names are like those that are wanted, by their names; or its GGUF file."""
    folder = models.locate(model) or _snapshot(model)
    if folder.is_file():
        # It holds all of it in one, and may be renamed.
        return {"model.gguf": folder}
    models.require_own_weights(folder)
    # Links are followed: a snapshot of the Hugging Face Hub is made of them.
    files = {path.relative_to(folder).as_posix(): path for path in models.readable_files(folder) if path.is_file()}
    return {name: path for name, path in files.items() if any(fnmatch(name, pattern) for pattern in wanted)}


def require_same_model(recorded: Mapping[str, str], config: TrainConfig, *, allow_other: bool) -> dict[str, str]:
    """Check that the model of a run is the one that it was trained on.

    Args:
        recorded: what `model_files` said when the run began.
        config: the run's settings.
        allow_other: take the model as it is.

    Returns:
        What `model_files` says now.

    Raises:
        RunError: it is another.
    """
    found = model_files(config)
    if found == recorded:
        return found
    name = next(name for name in sorted({*found, *recorded}) if found.get(name) != recorded.get(name))
    expected, actual = (files.get(name, "none")[:16] for files in (recorded, found))
    other = (
        f"the model {quote(config.model)} is not the one that the run was trained on: its {quote(name)} has the "
        f"SHA-256 {actual}..., expected {expected}..."
    )
    if allow_other:
        warnings.warn(f"{other} It is taken all the same, as was asked for.", ChangedRunWarning, stacklevel=3)
        return found
    raise RunError(
        f"{other} Put the model back, name it where it is now as `model` in the "
        "run's config.json, or take this one all the same with --allow-other-model (in Python: allow_other_model=True)."
    )


def _snapshot(name: str) -> Path:
    """The folder on this machine that a model of the Hugging Face Hub is loaded from."""
    found = try_to_load_from_cache(name, "config.json")
    if not isinstance(found, str):
        raise ModelError(f"the model {quote(name)} is not in the cache of the Hugging Face Hub on this machine.")
    return Path(found).parent


def sha256_of(path: Path) -> str:
    """Hash of a file's content, in hexadecimal; through links, of which the hub's cache is made."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()
