"""What of the language model is trained: adapters on a frozen model, or all its weights.

The critic reads the model as it was before training. Under adapters that is the same model with the adapters off;
when all weights are trained it is a copy, which doubles the memory for weights.
"""

import copy
from pathlib import Path

import torch

from twosome.config import TrainConfig
from twosome.errors import CheckpointError, ModelError
from twosome.policy.lm import Adapters, add_adapters, load_adapters, save_adapters
from twosome.scoring import ActionScorer
from twosome.scoring.load import load_model, without_progress_bar

LEARNED = {"lora": "adapter_model.safetensors", "full": "model.safetensors"}
"""The file of a checkpoint that holds what was trained."""


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
        add_adapters(scorer, Adapters(config.lora_rank, config.lora_alpha, config.lora_targets), config.seed)


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
        load_adapters(scorer, folder, trainable=trainable)
        return
    try:
        model, _ = load_model(
            str(folder), dtype="float32", device=str(scorer.device), trust_remote_code=config.trust_remote_code
        )
    except ModelError as error:
        raise CheckpointError(f"the weights in {folder} cannot be read: {error}") from error
    scorer.model = model.requires_grad_(trainable)


def randomize(scorer: ActionScorer, seed: int) -> None:
    """Give the scorer's model fresh weights, as its family initializes them: the same architecture without a prior."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        fresh = type(scorer.model)(scorer.model.config)
    scorer.model = fresh.to(device=scorer.device, dtype=scorer.model.dtype).eval()
    # What adapters are saved with: on the trained model of that name they would mean nothing.
    scorer.name = f"{scorer.name}, randomly initialized with seed {seed}"
