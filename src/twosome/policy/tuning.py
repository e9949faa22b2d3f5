"""What of the language model is trained: adapters on a frozen model, or all its weights.

The critic reads the model as it was before training. Under adapters that is the same model with the adapters off;
when all weights are trained it is a copy, which doubles the memory for weights.
"""

import copy
from pathlib import Path
from typing import Any

import torch

from twosome.checkpoint_schema import LEARNED
from twosome.config import TrainConfig
from twosome.errors import quote
from twosome.policy.lm import Adapters, add_adapters, load_adapters, save_adapters
from twosome.policy.tensors import damaged, read_tensors
from twosome.scoring import ActionScorer
from twosome.scoring.load import without_progress_bar


def frozen_copy(scorer: ActionScorer, config: TrainConfig) -> ActionScorer:
    """A scorer whose model without adapters stays as it is now: the same one, if only adapters are to be trained."""
    if config.tuning == "lora":
        return scorer
    frozen = copy.copy(scorer)
    frozen.model = copy.deepcopy(scorer.model).requires_grad_(False)
    return frozen


def begin_tuning(scorer: ActionScorer, config: TrainConfig) -> None:
    """Make trainable what the settings say, in float32; nothing changes in what the model says.

    Raises:
        ModelError: the model has no layers for the adapters that the settings name.
    """
    if config.tuning == "full":
        scorer.model = scorer.model.float().requires_grad_(True)
    else:
        add_adapters(scorer, _adapters(config), config.seed)


def save_tuned(scorer: ActionScorer, config: TrainConfig, folder: Path) -> None:
    """Write what was trained: adapters for PEFT, or a whole model for Transformers, tokenizer included."""
    if config.tuning == "lora":
        save_adapters(scorer, folder)
        return
    # One file, whatever its size, so that its hash says which weights these are.
    with without_progress_bar(is_local=True):
        scorer.model.save_pretrained(str(folder), safe_serialization=True, max_shard_size="100TB")
    scorer.tokenizer.save_pretrained(str(folder))


def load_tuned(scorer: ActionScorer, config: TrainConfig, folder: Path, *, trainable: bool) -> None:
    """Put what `save_tuned` wrote into the scorer that the settings name.

    Raises:
        CheckpointError: the folder does not hold what was trained with these settings.
    """
    if config.tuning == "lora":
        load_adapters(scorer, _adapters(config), folder, trainable=trainable)
        return
    # Into the model that the settings name: what the folder says of itself may name code to run.
    path = folder / LEARNED["full"]
    tensors = read_tensors(path)
    if other := {tensor.dtype for tensor in tensors.values()} - {torch.float32}:
        raise damaged(path, f"it has tensors of {', '.join(map(str, other))}; expected torch.float32 alone")
    make: Any = type(scorer.model)
    try:
        with without_progress_bar(is_local=True):
            model, found = make.from_pretrained(
                None,
                config=scorer.model.config,
                state_dict=tensors,
                dtype=torch.float32,
                device_map={"": scorer.device},
                output_loading_info=True,
            )
    except (RuntimeError, ValueError) as error:
        raise damaged(path, quote(str(error))) from error
    for reason in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if names := sorted(map(str, found[reason])):
            raise damaged(path, f"{len(names)} {reason.replace('_', ' ')}, {quote(names[0])} first")
    scorer.model = model.eval().requires_grad_(trainable)


def _adapters(config: TrainConfig) -> Adapters:
    return Adapters(config.lora_rank, config.lora_alpha, config.lora_targets, config.lora_layers)


def randomize(scorer: ActionScorer, seed: int) -> None:
    """Give the scorer's model fresh weights, as its family initializes them: the same architecture without a prior."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        fresh = type(scorer.model)(scorer.model.config)
    scorer.model = fresh.to(device=scorer.device, dtype=scorer.model.dtype).eval()
    # What adapters are saved with: on the trained model of that name they would mean nothing.
    scorer.name = f"{scorer.name}, randomly initialized with seed {seed}"
