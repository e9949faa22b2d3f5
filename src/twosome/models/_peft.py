"""PEFT without its noise, and without what an adapter from anywhere could make it do."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import safe_open


@contextmanager
def quiet_peft() -> Iterator[None]:
    """Without two warnings that ask nothing of the user.

    PEFT 0.21 draws one from Transformers 5.23 by asking for an attribute's old name; with GPT-2 it gives another when
    it finds out by itself how the layers store their weights.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*is_gradient_checkpointing", FutureWarning)
        warnings.filterwarnings("ignore", "fan_in_fan_out is set to False but the target module is `Conv1D`")
        yield


def require_plain_names(config: Any, weights: Path) -> None:
    """Let PEFT look for an adapter's layers by names alone: a regular expression can keep it busy for years.

    Layers that the config describes by a regular expression become those which the file has weights of.

    Raises:
        ValueError: other parts of the config hold regular expressions, or a module to import.
    """
    if getattr(config, "megatron_config", None) is not None:
        raise ValueError(f"megatron_config is {config.megatron_config!r}, expected none: PEFT would import a module")
    if isinstance(config.target_modules, str) and config.target_modules != "all-linear":
        with safe_open(weights, "pt") as file:
            layers = {re.sub(r"\.\w*lora_.*", "", key) for key in file.keys()}  # noqa: SIM118 - it is no mapping
        config.target_modules = {layer.removeprefix("base_model.model.") for layer in layers}
        config.exclude_modules = None
    settings = {name: getattr(config, name, None) for name in _WITH_PATTERNS}
    for name, value in settings.items():
        for pattern in [value] if isinstance(value, str) else value or []:
            if not (isinstance(pattern, str) and _PLAIN_NAME.fullmatch(pattern)):
                raise ValueError(f"{name} has {pattern!r}, expected names of layers")


_PLAIN_NAME = re.compile(r"\^?[\w.]+\$?", re.ASCII)
_WITH_PATTERNS = ("exclude_modules", "layers_pattern", "rank_pattern", "alpha_pattern", "modules_to_save")
