"""The policy's gradient: over the choices of a minibatch, in parts that fit into memory, shared among the ranks.

What it computes is the policy's half of an update in `twosome.minimal.train`.
"""

from collections.abc import Callable, Collection, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from twosome.decision import Decision
from twosome.distributed import Ranks
from twosome.policy.tuning import trainable
from twosome.ppo.build import Parts
from twosome.ppo.loss import PolicyLoss
from twosome.ppo.microbatch import IntArray, backward_mean, micro_batches

_CALLED = {"actor": "policy gradient", "calibration": "gradient of the temperature and the prior's weight"}


class PolicyGradient:
    """Adds up gradients of a loss of the policy, and makes steps of them.

    Args:
        parts: of the trainer.
        ranks: among which the decisions are shared.
        decisions: what the loss is about.
        loss: the mean loss over some of the decisions, from log pi(action | prompt), in nats, and their positions.
        learns: what takes a step, by the names of the optimizers; what is not there in this run is left out.
    """

    def __init__(
        self,
        parts: Parts,
        ranks: Ranks,
        decisions: Sequence[Decision],
        loss: Callable[[Float[Tensor, "B A"], IntArray], PolicyLoss],
        learns: Collection[str] = ("actor", "calibration"),
    ) -> None:
        self._parts = parts
        self._ranks = ranks
        self._decisions = decisions
        self._loss_of = loss
        learned: dict[str, list[nn.Parameter]] = {"actor": trainable(parts.scorer.model)}
        if parts.config.learns_normalization:
            learned["calibration"] = list(parts.actor.calibration.parameters())
        self._learned = {name: learned[name] for name in learned if name in learns}
        self._cleared = list(learned)

    def add(self, index: IntArray, accumulation: int = 1) -> dict[str, float]:
        """Add the gradient of the mean loss over a minibatch, given by positions among the decisions.

        Args:
            index: the minibatch.
            accumulation: equal parts in which it is computed.

        Returns:
            Loss, entropy, approximate KL and clipped fraction, means over the minibatch.
        """
        group = [self._add_part(part, accumulation) for part in np.split(index, accumulation)]
        return self._ranks.sum({name: float(np.mean([part[name] for part in group])) for name in group[0]})

    def step(self, check: Callable[[str, Tensor], None]) -> None:
        """Make a step of each optimizer, its gradient clipped by itself, and begin anew.

        Args:
            check: raises where a gradient is not finite; is given what it is called, and its length.
        """
        self._ranks.sum_gradients([parameter for parameters in self._learned.values() for parameter in parameters])
        for name, parameters in self._learned.items():
            norm = torch.nn.utils.clip_grad_norm_(parameters, self._parts.config.max_grad_norm)
            check(_CALLED[name], norm)
            self._parts.optimizers[name].step()
        self._parts.actor.calibration.keep_in_bounds()
        self.clear()

    def clear(self) -> None:
        """Drop what was added."""
        for name in self._cleared:
            self._parts.optimizers[name].zero_grad()

    def _add_part(self, part: IntArray, divisor: int) -> dict[str, float]:
        """Add the gradient of this rank's share of an equal part of a minibatch.

        The gradients of all parts, summed over the ranks, are those of the minibatch's mean; so are the returned
        numbers, averaged over the parts and summed over the ranks.
        """
        own = micro_batches(self._parts.scorer, self._decisions, self._own(part))
        backward = self._ranks.sync.backward
        return backward_mean(own, self._loss, size=len(part), divisor=divisor, backward=backward)

    def _own(self, part: IntArray) -> IntArray:
        """This rank's share of some decisions; those stay together of which the model is shown the like once."""
        decisions = self._decisions
        distinct = sorted({decisions[i] for i in part}, key=lambda decision: (decision.prompt, decision.actions))
        places = {decision: place for place, decision in enumerate(distinct)}
        own = self._ranks.share(len(places))
        return part[[places[decisions[i]] in own for i in part]]

    def _loss(self, index: IntArray) -> PolicyLoss:
        return self._loss_of(self._parts.actor.log_policy([self._decisions[i] for i in index]), index)
