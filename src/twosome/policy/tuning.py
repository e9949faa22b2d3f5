"""What of the language model is trained: adapters on a frozen model, or all its weights.

The critic reads the model as it was before training. Under adapters that is the same model with the adapters off;
when all weights are trained it is a copy, which doubles the memory for weights.
"""

import copy
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn
from transformers.modeling_layers import GradientCheckpointingLayer

from twosome.config import TrainConfig
from twosome.errors import ModelError
from twosome.models import Adapters, attach, decoder_layers
from twosome.policy.critic import State, ValueHead
from twosome.scoring import ActionScorer, adapters_off, inner_model


def adapters_of(config: TrainConfig) -> Adapters | None:
    """The adapters that the settings name; None where all weights are trained."""
    if config.tuning == "full":
        return None
    return Adapters(config.lora_rank, config.lora_alpha, config.lora_targets, config.lora_layers)


def attach_to(
    scorer: ActionScorer,
    adapters: Adapters | None,
    *,
    seed: int = 0,
    checkpoint: Path | None = None,
    trainable: bool = True,
) -> None:
    """Give the scorer's model what is trained of it; see `twosome.models.attach`.

    With adapters in the upper layers alone, the scorer keeps what lies below for each decision.
    """
    scorer.model = attach(scorer.model, scorer.name, adapters, seed=seed, checkpoint=checkpoint, trainable=trainable)
    if adapters is not None and adapters.layers is not None:
        _, layers = decoder_layers(inner_model(scorer.model))
        scorer.reuse_below(len(layers) - adapters.layers)


def frozen_copy(scorer: ActionScorer, config: TrainConfig) -> ActionScorer:
    """A scorer whose model without adapters stays as it is now: the same one, if only adapters are to be trained."""
    if config.tuning == "lora":
        return scorer
    frozen = copy.copy(scorer)
    frozen.model = copy.deepcopy(scorer.model).requires_grad_(False)
    return frozen


def randomize(scorer: ActionScorer, seed: int) -> None:
    """Give the scorer's model fresh weights, as its family initializes them: the same architecture without a prior."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        fresh = type(scorer.model)(scorer.model.config)
    scorer.model = fresh.to(device=scorer.device, dtype=scorer.model.dtype).eval()
    # What adapters are saved with: on the trained model of that name they would mean nothing.
    scorer.name = f"{scorer.name}, randomly initialized with seed {seed}"


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


def fresh_value_head(scorer: ActionScorer, prompt: str, seed: int, *, centered: bool = False) -> ValueHead:
    """A value head on the features of the frozen model, which may be asked about any prompt for their width."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        # Asking the model is surer than its config: some families project their last state.
        return ValueHead(frozen_features(scorer, [prompt]).shape[1], centered=centered).to(scorer.device)
