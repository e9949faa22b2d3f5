"""Which files a model is loaded from, by their hashes.

Hashing reads every file once, some files at a time; the weights are read for the model anyway, so what it costs is
the computing: about a second for each gigabyte and core.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from functools import partial
from pathlib import Path

from huggingface_hub import try_to_load_from_cache

from twosome.errors import ModelError, quote
from twosome.files import sha256
from twosome.models._names import base_of_adapter, locate, readable_files, require_own_weights

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


def file_hashes(model: str, *, weights: bool = True) -> dict[str, str]:
    """SHA-256 of each file that decides what a model is, by its name.

    Args:
        model: its name; a GGUF file is always read whole.
        weights: whether those count; not where they are drawn at random.

    Raises:
        ModelError: the model is not on this machine.
    """
    wanted = (*_WEIGHTS, *_OTHERS) if weights else _OTHERS
    files = _files(model, wanted)
    # An adapter that lies alone is merged into a model that lies elsewhere.
    base = base_of_adapter(model)
    if base is not None:
        files |= {f"base/{name}": file for name, file in _files(base, wanted).items()}
    with ThreadPoolExecutor() as pool:
        # Through links: a snapshot of the Hugging Face Hub is made of them.
        return dict(zip(files, pool.map(partial(sha256, follow_links=True), files.values()), strict=True))


def _files(model: str, wanted: Sequence[str]) -> dict[str, Path]:
    """The files in a model's folder whose names are like those that are wanted, by their names; or its GGUF file."""
    folder = locate(model) or _snapshot(model)
    if folder.is_file():
        # It holds all of it in one, and may be renamed.
        return {"model.gguf": folder}
    require_own_weights(folder)
    files = {path.relative_to(folder).as_posix(): path for path in readable_files(folder) if path.is_file()}
    return {name: path for name, path in files.items() if any(fnmatch(name, pattern) for pattern in wanted)}


def _snapshot(name: str) -> Path:
    """The folder on this machine that a model of the Hugging Face Hub is loaded from."""
    found = try_to_load_from_cache(name, "config.json")
    if not isinstance(found, str):
        raise ModelError(f"the model {quote(name)} is not in the cache of the Hugging Face Hub on this machine.")
    return Path(found).parent
