"""The frozen language model with low-rank adapters on top, through PEFT."""

import difflib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from torch import nn
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.pytorch_utils import Conv1D

from twosome.checkpoint_schema import ADAPTER_CONFIG, LEARNED
from twosome.errors import CheckpointError, ModelError, RunError, quote
from twosome.policy.critic import State
from twosome.policy.tensors import copy_into
from twosome.runs import read_json
from twosome.scoring import ActionScorer, adapters_off, inner_model
from twosome.scoring.adapters import quiet_peft
from twosome.scoring.lower import decoder_layers

ALL_LINEAR = "all-linear"
"""PEFT's name for every linear layer but the output layer."""


@dataclass(frozen=True)
class Adapters:
    """Which low-rank adapters to put on the model.

    Attributes:
        rank: inner dimension of each adapter.
        alpha: the adapters' output is scaled by ``alpha / rank``.
        targets: names of the linear layers to adapt, or ``("all-linear",)``; empty: PEFT's choice for the model's
            family (the query and value projections where they are separate).
        layers: how many of the upper layers to adapt; None: all.
    """

    rank: int = 8
    alpha: int = 16
    targets: tuple[str, ...] = ()
    layers: int | None = None


def add_adapters(scorer: ActionScorer, adapters: Adapters, seed: int) -> None:
    """Put fresh adapters on the scorer's model: the base frozen, the adapters in float32 and trainable.

    Fresh adapters change nothing: one of their two factors starts at zero.

    With adapters in the upper layers alone, the scorer keeps what lies below for each decision.

    Raises:
        ModelError: a given name is that of no linear layer, the model's family has no default, or it has not so many
            layers.
    """
    targets = _checked_targets(scorer, adapters.targets)
    where = {} if adapters.layers is None else _upper_layers(scorer, adapters.layers)
    if where and targets == ALL_LINEAR:
        targets = _names_within(scorer)
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
                model = get_peft_model(scorer.model, config)
        except ValueError as error:
            raise ModelError(
                f"cannot put adapters on {scorer.name!r}: {error} Name the layers with --lora-targets; "
                f"this model's linear layers are called {', '.join(_layer_names(scorer.model))}."
            ) from error
    scorer.model = model.eval()
    for parameter in trainable(scorer.model):
        parameter.data = parameter.data.float()
    if where:
        scorer.reuse_below(where["layers_to_transform"][0])


def _upper_layers(scorer: ActionScorer, count: int) -> dict[str, Any]:
    """Arguments that make PEFT adapt so many of the upper layers alone."""
    name, layers = decoder_layers(scorer.model)
    if count > len(layers):
        raise ModelError(
            f"--lora-layers is {count}, and {scorer.name!r} has {len(layers)} layers. Give at most so many, or leave "
            "it out for all."
        )
    upper = list(range(len(layers) - count, len(layers)))
    return {"layers_to_transform": upper, "layers_pattern": name.rsplit(".", 1)[-1]}


def _names_within(scorer: ActionScorer) -> list[str]:
    """What linear layers within the model's layers are called."""
    modules = decoder_layers(scorer.model)[1].named_modules()
    return sorted({name.rsplit(".", 1)[-1] for name, module in modules if isinstance(module, (nn.Linear, Conv1D))})


def load_adapters(scorer: ActionScorer, adapters: Adapters, folder: Path, *, trainable: bool) -> None:
    """Put the adapters saved in ``folder`` (PEFT's format) on the scorer's model.

    What kind they are, and where they go, is said by ``adapters``. PEFT is not asked to read the folder: its
    adapter_config.json can name other models, code and regular expressions. Here it has to say what
    `save_adapters` would.

    Raises:
        CheckpointError: the folder does not hold such adapters, or they do not fit this model.
        ModelError: the model has no layers of the given names, or its family has no default.
    """
    add_adapters(scorer, adapters, seed=0)
    _require_same_adapters(scorer, folder)
    copy_into(_adapter_tensors(scorer), folder / LEARNED["lora"])
    if not trainable:
        scorer.model.requires_grad_(False)


def _adapter_tensors(scorer: ActionScorer) -> dict[str, torch.Tensor]:
    """The adapters' own tensors, not copies, under the names that PEFT saves them with."""
    tensors: dict[str, torch.Tensor] = get_peft_model_state_dict(scorer.model, save_embedding_layers=False)
    return tensors


def _require_same_adapters(scorer: ActionScorer, folder: Path) -> None:
    """Check that adapter_config.json says what `save_adapters` would say of the scorer's adapters.

    The model's name may differ, because models are moved; so may what other versions of PEFT add.

    Raises:
        CheckpointError: it says something else.
    """
    try:
        found = read_json(folder / ADAPTER_CONFIG)
    except RunError as error:
        raise CheckpointError(f"the checkpoint {folder} is damaged: {error}") from error
    config = scorer.model.peft_config["default"].to_dict()
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


def save_adapters(scorer: ActionScorer, folder: Path) -> None:
    """Write ``adapter_model.safetensors`` and ``adapter_config.json``, loadable by plain PEFT."""
    for config in scorer.model.peft_config.values():
        # The name that the user gave, not the folder that it led to on this machine.
        config.base_model_name_or_path = scorer.name
        # A set, whose order changes from process to process.
        config.target_modules = sorted(config.target_modules)
    scorer.model.save_pretrained(str(folder), safe_serialization=True, save_embedding_layers=False)
    # PEFT adds the skeleton of a model card, with nothing in it but headings.
    (folder / "README.md").unlink(missing_ok=True)


def recompute_layers(scorer: ActionScorer) -> None:
    """Gradient checkpointing, by Transformers: keep each layer's input alone and compute the rest once more.

    Transformers does so in layers that are in training mode. Only these modules are put into it, not what they are
    made of, so that every dropout inside stays off and scores do not depend on chance.

    Raises:
        ModelError: the model's family has no gradient checkpointing, or its layers apply dropout themselves.
    """
    base = inner_model(scorer.model)
    layers = [module for module in base.modules() if isinstance(module, GradientCheckpointingLayer)]
    if not layers:
        raise ModelError(
            f"the layers of {scorer.name!r} know no gradient checkpointing. Leave out --gradient-checkpointing; "
            "a smaller --max-tokens-per-forward needs less memory, too."
        )
    for name, value in vars(layers[0]).items():
        if "drop" in name and isinstance(value, float) and value > 0:
            raise ModelError(
                f"the layers of {scorer.name!r} apply dropout themselves ({name} = {value}), so with "
                "--gradient-checkpointing scores would depend on chance. Set it to 0 in the model's config.json."
            )
    # Until Transformers 5.2x the method had the second name, which later versions warn of.
    name = "activation_checkpointing_enable"
    enable = getattr(base, name, None) or base.gradient_checkpointing_enable
    enable({"use_reentrant": False})
    for layer in layers:
        layer.training = True


def trainable(model: nn.Module) -> list[nn.Parameter]:
    """The parameters that the actor's optimizer changes, in the model's order."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def frozen_features(scorer: ActionScorer, states: Sequence[State]) -> torch.Tensor:
    """What the frozen model makes of each text, or tokens: its features for the critic, ``[B, D]`` in float32."""
    with adapters_off(scorer.model), torch.no_grad():
        features: torch.Tensor = scorer.prompt_features(states)
    return features


def _checked_targets(scorer: ActionScorer, targets: Sequence[str]) -> list[str] | str | None:
    """What PEFT is to look for: the given names, each of which some linear layer has, or all linear layers."""
    if ALL_LINEAR in targets:
        if len(targets) > 1:
            raise ModelError(
                f"--lora-targets {' '.join(targets)} asks for all linear layers and for some. Give one of the two."
            )
        return ALL_LINEAR
    layers = list(_linear_layers(scorer.model))
    for target in targets:
        # PEFT takes a name, or the end of a path such as self_attn.q_proj.
        if not any(f".{layer}".endswith(f".{target}") for layer in layers):
            names = _layer_names(scorer.model)
            close = difflib.get_close_matches(target.rsplit(".", 1)[-1], names, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ModelError(
                f"--lora-targets: {scorer.name!r} has no linear layer called {quote(target)}; there are "
                f"{', '.join(names)}, and {ALL_LINEAR!r} stands for all but the output layer.{hint}"
            )
    return sorted(set(targets)) or None


def _layer_names(model: nn.Module) -> list[str]:
    return sorted({name.rsplit(".", 1)[-1] for name in _linear_layers(model)})


def _linear_layers(model: nn.Module) -> Iterator[str]:
    for name, module in model.named_modules():
        if type(module).__name__ in {"Linear", "Conv1D", "Linear8bitLt", "Linear4bit"}:
            yield name
