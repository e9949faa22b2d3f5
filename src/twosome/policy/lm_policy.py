"""The policy: a softmax over the language model's normalized scores of the valid actions."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from twosome.decision import Decision
from twosome.errors import DivergedError, quote
from twosome.observation import Observation, decision_of
from twosome.policy.calibration import Calibration, temperature_for
from twosome.scoring import ActionScorer, Normalization, action_log_probs, context_free_log_probs
from twosome.scoring.cache import BoundedCache
from twosome.scoring.scored import ScoredActions
from twosome.scoring.words import warn_of_no_words

_CACHED_ACTIONS = 2**21
"""Actions of distinct decisions whose policy is cached: many more than an update of training meets."""


class LanguageModelPolicy:
    """A scorer and a normalization make a policy.

    Args:
        scorer: the language model, with or without adapters.
        normalization: what an action's joint log-probability is divided by (see `action_log_probs`).
        context_free_prompt: read by ``"pmi"`` and ``"learned"``: the prompt under which phrases are scored without a
            situation, by the frozen model.
        calibration: read by ``"learned"`` alone: its two numbers. None: temperature 1 and weight 1, as ``"pmi"``.
        frozen: the frozen model, where it is not the scorer's own without adapters.
    """

    def __init__(
        self,
        scorer: ActionScorer,
        normalization: Normalization = "word",
        context_free_prompt: str = "Now you",
        calibration: Calibration | None = None,
        frozen: ActionScorer | None = None,
    ) -> None:
        self.scorer = scorer
        self.normalization: Normalization = normalization
        self.context_free_prompt = context_free_prompt
        self.calibration = (calibration or Calibration()).to(scorer.device)
        self.frozen = frozen or scorer
        self.clear_cache()

    def fits(self, prompt: str, phrases: Sequence[str]) -> bool:
        """Whether the model's context holds a prompt with each of some phrases."""
        return self.scorer.fits(prompt, phrases)

    def log_policy(self, decisions: Sequence[Decision]) -> Float[Tensor, "B A"]:
        """Log pi(action | prompt) in nats, -inf where an action is not available. Carries gradients."""
        return self.scored_policy(decisions)[1]

    def scored_policy(self, decisions: Sequence[Decision]) -> tuple[ScoredActions, Float[Tensor, "B A"]]:
        """The joint log-probabilities of the actions, and the policy that comes of them, as `log_policy` gives it."""
        context_free = None
        if self.normalization in ("pmi", "learned"):
            context_free = context_free_log_probs(self.frozen, decisions, self.context_free_prompt)
        scored = self.scorer.score(decisions)
        calibration = self.calibration
        return scored, action_log_probs(
            scored, self.normalization, context_free, calibration.log_temperature, calibration.prior_weight
        )

    def probabilities(self, observations: Sequence[Observation | Decision]) -> list[NDArray[np.float64]]:
        """The policy at each observation, one probability per action id; computed once until `clear_cache`.

        Raises:
            DivergedError: the model's scores are not finite.
        """
        decisions = [decision_of(observation) for observation in observations]
        distinct = dict.fromkeys(decisions)
        cached = {decision: row for decision in distinct if (row := self._cache.find(decision)) is not None}
        missing = [decision for decision in distinct if decision not in cached]
        if missing:
            if self.normalization == "word":
                warn_of_no_words(phrase for decision in missing for phrase in decision.actions)
            with torch.no_grad():
                rows = self.log_policy(missing).cpu().double().exp().numpy()  # an Apple GPU has no float64
            for decision, row in zip(missing, rows, strict=True):
                policy = row[: len(decision.actions)]
                if not np.isfinite(policy).all():
                    raise DivergedError(
                        f"the model {self.scorer.name!r} gives no number for the actions after the prompt "
                        f"{quote(decision.prompt)}: its weights or its precision have overflowed."
                    )
                cached[decision] = self._cache.put(decision, policy / policy.sum())
        return [cached[decision] for decision in decisions]

    @torch.no_grad()
    def calibrate(self, decisions: Sequence[Decision], target_entropy: float) -> None:
        """Set the temperature of ``"learned"`` so that the policy has a certain entropy at these decisions.

        Args:
            decisions: distinct ones; those with a single action say nothing and are left out.
            target_entropy: as a share of the greatest (see `temperature_for`).
        """
        self.calibration.log_temperature.zero_()
        choices = [decision for decision in decisions if len(decision.available) > 1]
        # At temperature 1, where the policy's logarithm is the scores, up to a constant in each row.
        scores = self.log_policy(choices).cpu().double() if choices else torch.empty(0, 0)
        self.calibration.log_temperature.fill_(math.log(temperature_for(scores, target_entropy)))
        self.clear_cache()

    def clear_cache(self) -> None:
        """Drop the cached policies; to be called whenever the model has changed."""
        self._cache: BoundedCache[Decision, NDArray[np.float64]] = BoundedCache(_CACHED_ACTIONS, len)
