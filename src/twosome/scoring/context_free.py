"""How probable a phrase is without a situation: what normalization ``"pmi"`` subtracts."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from twosome.decision import Decision
from twosome.scoring.adapters import adapters_off
from twosome.scoring.score import ActionScorer


def context_free_log_probs(
    scorer: ActionScorer, decisions: Sequence[Decision], context_free_prompt: str
) -> Float[Tensor, "B A"]:
    """Joint log-probability of each phrase after a prompt without a situation, in nats; -inf where not available.

    By the frozen model, adapters off and without gradients, so a phrase is scored once for as long as the scorer
    remembers it. Each has a forward of its own: its value depends on phrase and prompt alone, to the last bit, and
    not on which phrases were asked for with it, so that a resumed run meets the values that it left.
    """

    def score(key: tuple[str, str]) -> float:
        prompt, phrase = key
        return float(scorer.score([Decision(prompt, (phrase,))]).logp.item())

    phrases = dict.fromkeys(phrase for decision in decisions for phrase in decision.actions if phrase)
    with adapters_off(scorer.model), torch.no_grad():
        known = {phrase: scorer.context_free_cache.get((context_free_prompt, phrase), score) for phrase in phrases}
    dtype = torch.promote_types(scorer.model.dtype, torch.float32)
    table = torch.full((len(decisions), max(len(d.actions) for d in decisions)), -torch.inf, dtype=dtype)
    for row, decision in enumerate(decisions):
        for action in decision.available:
            table[row, action] = known[decision.actions[action]]
    return table.to(scorer.device)
