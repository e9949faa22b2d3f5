"""How probable a phrase is without a situation: what normalization ``"pmi"`` subtracts."""

from collections.abc import Sequence
from contextlib import nullcontext

import torch
from jaxtyping import Float
from peft import PeftModel
from torch import Tensor

from twosome.decision import Decision
from twosome.scoring.score import ActionScorer


def context_free_log_probs(
    scorer: ActionScorer, decisions: Sequence[Decision], context_free_prompt: str
) -> Float[Tensor, "B A"]:
    """Joint log-probability of each phrase after a prompt without a situation, in nats; -inf where not available.

    By the frozen model, adapters off and without gradients, so each distinct phrase is scored once in the
    scorer's life.
    """
    phrases = dict.fromkeys(phrase for decision in decisions for phrase in decision.actions if phrase)
    cache = scorer.context_free_cache
    known = {}
    for phrase in phrases:
        logp = cache.find((context_free_prompt, phrase))
        if logp is not None:
            known[phrase] = logp
    missing = [phrase for phrase in phrases if phrase not in known]
    if missing:
        # A decision for each phrase: what is kept must not depend on which phrases were asked for together.
        alone = [Decision(context_free_prompt, (phrase,)) for phrase in missing]
        frozen = scorer.model.disable_adapter() if isinstance(scorer.model, PeftModel) else nullcontext()
        with frozen, torch.no_grad():
            found = scorer.score(alone).logp[:, 0].tolist()
        for phrase, logp in zip(missing, found, strict=True):
            known[phrase] = cache.put((context_free_prompt, phrase), logp)
    dtype = torch.promote_types(scorer.model.dtype, torch.float32)
    table = torch.full((len(decisions), max(len(d.actions) for d in decisions)), -torch.inf, dtype=dtype)
    for row, decision in enumerate(decisions):
        for action in decision.available:
            table[row, action] = known[decision.actions[action]]
    return table.to(scorer.device)
