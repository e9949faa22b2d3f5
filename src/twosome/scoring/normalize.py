"""The policy's formula: from joint log-probabilities of actions to a distribution over the available ones."""

from typing import get_args

import torch
from jaxtyping import Float
from torch import Tensor

from twosome.errors import ConfigError, NoActionError
from twosome.scoring.scored import ScoredActions
from twosome.setting_types import Normalization


def action_log_probs(
    scored: ScoredActions,
    normalization: Normalization = "word",
    context_free: Float[Tensor, "B A"] | None = None,
    log_temperature: Float[Tensor, ""] | None = None,
    prior_weight: Float[Tensor, ""] | None = None,
) -> Float[Tensor, "B A"]:
    """Log-probability of each action under the policy: a softmax over normalized scores.

    The joint log-probability of a phrase falls with its length, so it is divided by what counts as length:

    - ``"none"``: nothing; biased against long actions.
    - ``"token"``: tokens; over-corrects, since the later tokens of a word are nearly certain.
    - ``"word"``: words, the paper's best: the tokens of one word are one symbol.
    - ``"byte"``: bytes in UTF-8, which no choice of tokenizer changes.
    - ``"pmi"``: no length; instead the phrase's log-probability without a situation is subtracted
      ("domain-conditional PMI", Holtzman et al., 2021).
    - ``"learned"``: no length; a share of that log-probability is subtracted, and a temperature divides the
      difference. Gradients flow to both numbers.

    Actions with the same phrase share equally the probability that it would have alone, whatever their number.

    Args:
        scored: joint log-probabilities and lengths.
        normalization: one of the six.
        context_free: for ``"pmi"`` and ``"learned"``: log p(action | a prompt without a situation), in nats; read
            only where an action is available (see `context_free_log_probs`).
        log_temperature: for ``"learned"``: natural logarithm of the temperature.
        prior_weight: for ``"learned"``: the share of `context_free` that is subtracted.

    Returns:
        log pi(action | prompt), in nats; the probabilities of each row sum to one. -inf where an action is not
        available, and no gradient flows from or to there.

    Raises:
        ConfigError: the normalization is unknown, or goes without one of the numbers that it needs.
        NoActionError: a row has no available action, so no policy exists.

    Source: Tan et al., 2024 (arXiv:2401.14151), "Action prompt normalization".
    """
    available = scored.available
    if not bool(available.any(dim=1).all()):
        empty = (~available.any(dim=1)).nonzero()[:, 0].tolist()
        raise NoActionError(f"no action is available in rows {empty}; every row needs at least one.")
    scores = _normalized(scored, normalization, context_free, log_temperature, prior_weight)
    if scored.num_alike is not None:
        scores = scores - scored.num_alike.clamp(min=1).log()
    # Filled before and after the softmax, so that no gradient passes an unavailable action in either direction.
    log_policy = torch.log_softmax(scores.masked_fill(~available, -torch.inf), dim=1)
    return log_policy.masked_fill(~available, -torch.inf)


def _normalized(
    scored: ScoredActions,
    normalization: str,
    context_free: Tensor | None,
    log_temperature: Tensor | None,
    prior_weight: Tensor | None,
) -> Float[Tensor, "B A"]:
    """Scores where actions are available; anything elsewhere."""
    logp = scored.logp
    if normalization == "none":
        return logp
    if normalization == "token":
        return logp / scored.num_tokens.clamp(min=1)
    if normalization == "word":
        return logp / scored.num_words.clamp(min=1)
    if normalization == "byte":
        return logp / scored.num_bytes.clamp(min=1)
    if normalization == "pmi":
        if context_free is None:
            raise ConfigError("normalization 'pmi' needs context_free, the log-probabilities without a situation.")
        return logp - context_free
    if normalization == "learned":
        if context_free is None or log_temperature is None or prior_weight is None:
            raise ConfigError(
                "normalization 'learned' needs context_free, the log-probabilities without a situation, and the two "
                "learned numbers, log_temperature and prior_weight."
            )
        # Filled before they meet the two numbers, whose gradients are sums over all actions: 0 times -inf is no number.
        logp, prior = (values.masked_fill(~scored.available, 0.0) for values in (logp, context_free))
        return (logp - prior_weight * prior) * torch.exp(-log_temperature)
    raise ConfigError(f"normalization is {normalization!r}; expected one of {', '.join(get_args(Normalization))}.")
