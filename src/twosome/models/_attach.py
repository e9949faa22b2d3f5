"""What of a model is trained, put on it or read from a checkpoint: adapters in PEFT's format, or all its weights."""

import difflib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from torch import nn
from transformers.pytorch_utils import Conv1D

from twosome.checkpoint_tensors import copy_into, damaged, read_tensors
from twosome.errors import CheckpointError, ModelError, RunError, quote
from twosome.models._load import without_progress_bar
from twosome.models._names import ADAPTER_CONFIG, ADAPTER_WEIGHTS, WEIGHTS
from twosome.models._peft import quiet_peft
from twosome.run_files import read_json

ALL_LINEAR = "all-linear"
"""PEFT's name for every linear layer but the output layer."""


@dataclass(frozen=True)
class Adapters:
    """Which low-rank adapters to put on the model."""

    rank: int = 8  # inner dimension of each adapter
    alpha: int = 16  # the adapters' output is scaled by ``alpha / rank``
    targets: tuple[str, ...] = ()
    """Names of the linear layers to adapt, or ``("all-linear",)``; empty: PEFT's choice for the model's family (the
    query and value projections where they are separate)."""
    layers: int | None = None  # how many of the upper layers to adapt; None: all


def attach(
    model: Any,
    name: str,
    adapters: Adapters | None,
    *,
    seed: int = 0,
    checkpoint: Path | None = None,
    trainable: bool = True,
) -> Any:
    """The model with what is trained of it, in float32.

    Fresh adapters change nothing: one of their two factors starts at zero. Neither PEFT nor Transformers is asked to
    read the checkpoint's settings, which can name other models, code and regular expressions.

    Args:
        model: as `load_model` gives it; adapters become part of its layers.
        name: how messages call it.
        adapters: which, on the model frozen; None: all its weights are trained.
        seed: of fresh adapters.
        checkpoint: a folder that `save` wrote; None: nothing is trained yet.
        trainable: whether it is to be trained further.

    Raises:
        CheckpointError: the folder does not hold what was trained of this model.
        ModelError: the model has no layers of the given names, its family has no default, or it has not so many.
    """
    if adapters is None:
        if checkpoint is None:
            return model.float().requires_grad_(True)
        return _with_weights(model, checkpoint / WEIGHTS).requires_grad_(trainable)
    model = _with_adapters(model, name, adapters, seed)
    if checkpoint is not None:
        _require_same_adapters(model, checkpoint)
        # The adapters' own tensors, not copies, under the names that PEFT saves them with.
        copy_into(get_peft_model_state_dict(model, save_embedding_layers=False), checkpoint / ADAPTER_WEIGHTS)
    return model if trainable else model.requires_grad_(False)


def save(model: Any, tokenizer: Any, name: str, folder: Path) -> None:
    """Write what `attach` put on a model: adapters for PEFT, or a whole model for Transformers, tokenizer included."""
    if not isinstance(model, PeftModel):
        # One file, whatever its size, so that its hash says which weights these are.
        with without_progress_bar(is_local=True):
            model.save_pretrained(str(folder), safe_serialization=True, max_shard_size="100TB")
        tokenizer.save_pretrained(str(folder))
        return
    configs: dict[str, Any] = dict(model.peft_config)
    for config in configs.values():
        # The name that the user gave, not the folder that it led to on this machine.
        config.base_model_name_or_path = name
        # A set, whose order changes from process to process.
        config.target_modules = sorted(config.target_modules)
    model.save_pretrained(str(folder), safe_serialization=True, save_embedding_layers=False)
    # PEFT adds the skeleton of a model card, with nothing in it but headings.
    (folder / "README.md").unlink(missing_ok=True)


def decoder_layers(model: Any) -> tuple[str, nn.ModuleList]:
    """The name of a model's list of layers, and the layers in the order in which tokens pass them.

    Raises:
        ModelError: it has no such list.
    """
    count = model.config.get_text_config().num_hidden_layers
    for name, module in model.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return name, module
    raise ModelError(
        f"the model has {count} layers, as its config.json says, but no list of so many: there is no telling which "
        "are the upper ones. Leave out --lora-layers."
    )


def _with_weights(model: Any, path: Path) -> Any:
    """The model with all its weights from a file."""
    tensors = read_tensors(path)
    if other := {tensor.dtype for tensor in tensors.values()} - {torch.float32}:
        raise damaged(path, f"it has tensors of {', '.join(map(str, other))}; expected torch.float32 alone")
    make: Any = type(model)
    try:
        with without_progress_bar(is_local=True):
            filled, found = make.from_pretrained(
                None,
                config=model.config,
                state_dict=tensors,
                dtype=torch.float32,
                device_map={"": model.get_input_embeddings().weight.device},
                output_loading_info=True,
            )
    except (RuntimeError, ValueError) as error:
        raise damaged(path, quote(str(error))) from error
    for reason in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if names := sorted(map(str, found[reason])):
            raise damaged(path, f"{len(names)} {reason.replace('_', ' ')}, {quote(names[0])} first")
    return filled.eval()


def _with_adapters(model: Any, name: str, adapters: Adapters, seed: int) -> Any:
    """The model frozen, with fresh adapters in its layers."""
    targets = _checked_targets(model, name, adapters.targets)
    where = {} if adapters.layers is None else _upper_layers(model, name, adapters.layers)
    if where and targets == ALL_LINEAR:
        targets = _names_within(model)
    config = LoraConfig(
        r=adapters.rank,
        lora_alpha=adapters.alpha,
        lora_dropout=0.0,
        target_modules=targets,
        task_type="CAUSAL_LM",
        **where,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        try:
            with quiet_peft():
                adapted: Any = get_peft_model(model, config)
        except ValueError as error:
            raise ModelError(
                f"cannot put adapters on {name!r}: {error} Name the layers with --lora-targets; "
                f"this model's linear layers are called {', '.join(_layer_names(model))}."
            ) from error
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return adapted.eval()


def _upper_layers(model: Any, name: str, count: int) -> dict[str, Any]:
    """Arguments that make PEFT adapt so many of the upper layers alone."""
    path, layers = decoder_layers(model)
    if count > len(layers):
        raise ModelError(
            f"--lora-layers is {count}, and {name!r} has {len(layers)} layers. Give at most so many, or leave "
            "it out for all."
        )
    upper = list(range(len(layers) - count, len(layers)))
    return {"layers_to_transform": upper, "layers_pattern": path.rsplit(".", 1)[-1]}


def _names_within(model: Any) -> list[str]:
    """What linear layers within the model's layers are called."""
    modules = decoder_layers(model)[1].named_modules()
    return sorted({name.rsplit(".", 1)[-1] for name, module in modules if isinstance(module, (nn.Linear, Conv1D))})


def _require_same_adapters(model: Any, folder: Path) -> None:
    """Check that adapter_config.json says what `save` would say of the model's adapters.

    The model's name may differ, because models are moved; so may what other versions of PEFT add.

    Raises:
        CheckpointError: it says something else.
    """
    try:
        found = read_json(folder / ADAPTER_CONFIG)
    except RunError as error:
        raise CheckpointError(f"the checkpoint {folder} is damaged: {error}") from error
    config = model.peft_config["default"].to_dict()
    expected = json.loads(json.dumps(config, default=sorted))
    free = {"base_model_name_or_path", "inference_mode", "peft_version", "revision"}
    for name in expected.keys() - free:
        was, now = (sorted(v, key=json.dumps) if isinstance(v, list) else v for v in (found.get(name), expected[name]))
        if was != now and (name in found or name in _NEEDED):
            raise CheckpointError(
                f"the checkpoint {folder} is damaged: its {ADAPTER_CONFIG} has {name} {quote(was)}; expected "
                f"{quote(now)}, as the run's settings say."
            )


_NEEDED = {"peft_type", "r", "lora_alpha", "target_modules"}
"""What every version of PEFT says of adapters."""


def _checked_targets(model: Any, name: str, targets: Sequence[str]) -> list[str] | str | None:
    """What PEFT is to look for: the given names, each of which some linear layer has, or all linear layers."""
    if ALL_LINEAR in targets:
        if len(targets) > 1:
            raise ModelError(
                f"--lora-targets {' '.join(targets)} asks for all linear layers and for some. Give one of the two."
            )
        return ALL_LINEAR
    layers = list(_linear_layers(model))
    for target in targets:
        # PEFT takes a name, or the end of a path such as self_attn.q_proj.
        if not any(f".{layer}".endswith(f".{target}") for layer in layers):
            names = _layer_names(model)
            close = difflib.get_close_matches(target.rsplit(".", 1)[-1], names, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ModelError(
                f"--lora-targets: {name!r} has no linear layer called {quote(target)}; there are "
                f"{', '.join(names)}, and {ALL_LINEAR!r} stands for all but the output layer.{hint}"
            )
    return sorted(set(targets)) or None


def _layer_names(model: nn.Module) -> list[str]:
    return sorted({name.rsplit(".", 1)[-1] for name in _linear_layers(model)})


def _linear_layers(model: nn.Module) -> Iterator[str]:
    for name, module in model.named_modules():
        if type(module).__name__ in {"Linear", "Conv1D", "Linear8bitLt", "Linear4bit"}:
            yield name
