"""The policy's gradient: over the choices of a minibatch, in parts that fit into memory, shared among the ranks.

What it computes is the policy's half of an update in `twosome.minimal.train`.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from twosome.decision import Decision
from twosome.distributed import Ranks
from twosome.policy.tuning import trainable
from twosome.ppo.build import Parts
from twosome.ppo.credit.algorithm import Credit
from twosome.ppo.credit.choices import choice_log_probs
from twosome.ppo.loss import PolicyLoss
from twosome.ppo.microbatch import IntArray, backward_mean, micro_batches
from twosome.rollout import Rollout

_CALLED = {"actor": "policy gradient", "calibration": "gradient of the temperature and the prior's weight"}


class PolicyGradient:
    """Adds up gradients of the policy's loss over one rollout, and makes steps of them.

    Args:
        parts: of the trainer.
        ranks: among which the decisions are shared.
        rollout: the decisions.
        credit: what the algorithm says of them.
        entropy_coef: weight of the entropy in this update.
    """

    def __init__(self, parts: Parts, ranks: Ranks, rollout: Rollout, credit: Credit, entropy_coef: float) -> None:
        self._parts = parts
        self._config = parts.config
        self._ranks = ranks
        self._decisions: Sequence[Decision] = [decision for row in rollout.decisions for decision in row]
        device = parts.scorer.device
        self._remaining = credit.choices.remaining.to(device)
        self._old_logp = credit.choices.old_logp.to(device)
        self._advantages = credit.choices.padded(credit.advantages).to(device)
        self._entropy_coef = entropy_coef
        self._learned: dict[str, list[nn.Parameter]] = {"actor": trainable(parts.scorer.model)}
        if parts.config.learns_normalization:
            self._learned["calibration"] = list(parts.actor.calibration.parameters())

    def add(self, index: IntArray) -> dict[str, float]:
        """Add the gradient of the mean loss over a minibatch, given by positions in the rollout.

        Returns:
            Loss, entropy, approximate KL and clipped fraction, means over the minibatch.
        """
        group = [self._add_part(part) for part in np.split(index, self._config.gradient_accumulation)]
        return self._ranks.sum({name: float(np.mean([part[name] for part in group])) for name in group[0]})

    def step(self, check: Callable[[str, Tensor], None]) -> None:
        """Make a step of each optimizer, its gradient clipped by itself, and begin anew.

        Args:
            check: raises where a gradient is not finite; is given what it is called, and its length.
        """
        self._ranks.sum_gradients([parameter for parameters in self._learned.values() for parameter in parameters])
        for name, parameters in self._learned.items():
            norm = torch.nn.utils.clip_grad_norm_(parameters, self._config.max_grad_norm)
            check(_CALLED[name], norm)
            self._parts.optimizers[name].step()
        self._parts.actor.calibration.keep_in_bounds()
        self.clear()

    def clear(self) -> None:
        """Drop what was added."""
        for name in self._learned:
            self._parts.optimizers[name].zero_grad()

    def _add_part(self, part: IntArray) -> dict[str, float]:
        """Add the gradient of this rank's share of an equal part of a minibatch.

        The gradients of all parts, summed over the ranks, are those of the minibatch's mean; so are the returned
        numbers, averaged over the parts and summed over the ranks.
        """
        own = micro_batches(self._parts.scorer, self._decisions, self._own(part))
        divisor, backward = self._config.gradient_accumulation, self._ranks.sync.backward
        return backward_mean(own, self._loss, size=len(part), divisor=divisor, backward=backward)

    def _own(self, part: IntArray) -> IntArray:
        """This rank's share of some decisions; those stay together of which the model is shown the like once."""
        decisions = self._decisions
        distinct = sorted({decisions[i] for i in part}, key=lambda decision: (decision.prompt, decision.actions))
        places = {decision: place for place, decision in enumerate(distinct)}
        own = self._ranks.share(len(places))
        return part[[places[decisions[i]] in own for i in part]]

    def _loss(self, index: IntArray) -> PolicyLoss:
        log_policy = self._parts.actor.log_policy([self._decisions[i] for i in index])
        new_logp = choice_log_probs(log_policy, self._remaining[index])
        given = (log_policy, new_logp, self._old_logp[index], self._advantages[index])
        return self._parts.algorithm.loss(*given, entropy_coef=self._entropy_coef)
