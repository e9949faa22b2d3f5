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
from twosome.policy.calibration import Calibration, temperature_for
from twosome.scoring import ActionScorer, Normalization, action_log_probs, context_free_log_probs
from twosome.scoring.words import warn_of_no_words


class Actor:
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
        self._known: dict[Decision, NDArray[np.float64]] = {}

    def log_policy(self, decisions: Sequence[Decision]) -> Float[Tensor, "B A"]:
        """Log pi(action | prompt) in nats, -inf where an action is not available. Carries gradients."""
        context_free = None
        if self.normalization in ("pmi", "learned"):
            context_free = context_free_log_probs(self.frozen, decisions, self.context_free_prompt)
        return action_log_probs(
            self.scorer.score(decisions),
            self.normalization,
            context_free,
            self.calibration.log_temperature,
            self.calibration.prior_weight,
        )

    def probabilities(self, decisions: Sequence[Decision]) -> list[NDArray[np.float64]]:
        """The policy at each decision, one probability per action id; computed once until `forget`.

        Raises:
            DivergedError: the model's scores are not finite.
        """
        unknown = [decision for decision in dict.fromkeys(decisions) if decision not in self._known]
        if unknown:
            if self.normalization == "word":
                warn_of_no_words(phrase for decision in unknown for phrase in decision.actions)
            with torch.no_grad():
                rows = self.log_policy(unknown).cpu().double().exp().numpy()  # an Apple GPU has no float64
            for decision, row in zip(unknown, rows, strict=True):
                policy = row[: len(decision.actions)]
                if not np.isfinite(policy).all():
                    raise DivergedError(
                        f"the model {self.scorer.name!r} gives no number for the actions after the prompt "
                        f"{quote(decision.prompt)}: its weights or its precision have overflowed."
                    )
                self._known[decision] = policy / policy.sum()
        return [self._known[decision] for decision in decisions]

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
        self.forget()

    def forget(self) -> None:
        """Drop the remembered policies; to be called whenever the model has changed."""
        self._known.clear()


def sample(probabilities: NDArray[np.float64], rng: np.random.Generator) -> int:
    """Draw an action id; an action of probability zero is never drawn."""
    return sample_at(probabilities, rng.random())


def sample_at(probabilities: NDArray[np.float64], uniform: float) -> int:
    """The action id that a draw from [0, 1) stands for; an action of probability zero never is."""
    cumulative = np.cumsum(probabilities)
    # Rounding may leave the last sum a hair below or above one: scale the draw instead of trusting it.
    drawn = int(np.searchsorted(cumulative, uniform * cumulative[-1], side="right"))
    return min(drawn, int(np.flatnonzero(probabilities)[-1]))
