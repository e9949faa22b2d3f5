"""`twosome.minimal`, the method on one page, with a scorer that makes it bearable."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from twosome.decision import Decision
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
