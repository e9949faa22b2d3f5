"""`twosome.minimal`, the method on one page, measured: with a scorer that makes it bearable, and beside the trainer."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from twosome import minimal, models
from twosome.config import TrainConfig
from twosome.decision import Decision
from twosome.envs import text
from twosome.scoring import ActionScorer


def packed_score() -> Callable[..., list[Tensor]]:
    """A fast `minimal.score`: packed, and without gradients once for each decision as long as the adapters stay."""
    known: dict[Decision, Tensor] = {}
    scorers: dict[Any, ActionScorer] = {}
    versions: list[int] = []

    def score(model: Any, tokenizer: Any, prompts: Sequence[str], actions: Sequence[Sequence[str]]) -> list[Tensor]:
        if model not in scorers:
            scorers[model] = ActionScorer(model, tokenizer, method="packed")
        decisions = [Decision(prompt, tuple(valid)) for prompt, valid in zip(prompts, actions, strict=True)]
        if torch.is_grad_enabled():
            return scorers[model].log_probs(decisions)
        current = [parameter._version for parameter in model.parameters() if parameter.requires_grad]
        if versions != current:
            known.clear()
            versions[:] = current
        if unknown := [decision for decision in dict.fromkeys(decisions) if decision not in known]:
            known.update(zip(unknown, scorers[model].log_probs(unknown), strict=True))
        return [known[decision] for decision in decisions]

    return score


class PageLoop:
    """The page's loop, an update at a time, with a trainer's model, environment, seed and budget.

    Args:
        config: of the trainer, with as many minibatches of the policy as of the value.
    """

    def __init__(self, config: TrainConfig) -> None:
        page = minimal.Config(
            env=config.env,
            model=str(models.locate(config.model)),
            normalization=config.normalization,
            seed=config.seed,
            total_steps=config.total_steps,
            num_envs=config.num_envs,
            rollout_steps=config.rollout_steps,
            minibatches=config.policy_minibatches,
            gamma=text.gamma_of(config.env, config.env_kwargs),
            target_kl=config.target_kl,
        )
        self._updates = minimal.train(page)

    def step(self) -> dict[str, Any]:
        """One update: collect, estimate, improve. What the page says of it."""
        return next(self._updates)
