"""What an algorithm is: a rollout in, credit for each choice out, and the loss that it enters."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from twosome.config import TrainConfig
from twosome.errors import ConfigError
from twosome.policy.critic import State
from twosome.ppo.credit.choices import Choices, choice_log_probs
from twosome.ppo.gae import Gamma
from twosome.ppo.loss import PolicyLoss, path_policy_loss
from twosome.rollout import Rollout
from twosome.scoring import ActionScorer

ValuesOf = Callable[[Sequence[State]], Float[Tensor, " N"]]
"""The critic's value of each state, on the CPU, without gradients."""


@dataclass(frozen=True)
class Credit:
    """What a rollout says about the N choices in it."""

    choices: Choices  # what credit goes to: whole actions, or the choices that make up an action
    advantages: Float[Tensor, " N"]  # of each choice, as the loss takes it: normalized, where it is to be
    values: Float[Tensor, " N"] | None = None  # the critic's before each choice; None without a critic
    returns: Float[Tensor, " N"] | None = None  # what the critic is to learn for each choice; None without a critic


class Algorithm(ABC):
    """Gives credit for what happened in a rollout; made once for a run.

    Args:
        config: the settings of the run.
        gamma: discount per primitive step; where a run has several environments whose discounts differ, a tensor of E.
        scorer: knows the tokens of a decision.
    """

    def __init__(self, config: TrainConfig, gamma: Gamma, scorer: ActionScorer) -> None:
        self.config = config
        self.gamma = gamma
        self.scorer = scorer

    @abstractmethod
    def credit(self, rollout: Rollout, values_of: ValuesOf) -> Credit:
        """The credit of each choice in a rollout.

        Args:
            rollout: T decisions in each of E environments, with what followed. Its arrays are T x E; flat tensors
                have the first step of all environments first.
            values_of: asks the critic; an algorithm that is registered without one must not.
        """

    def loss(
        self,
        log_policy: Float[Tensor, "B A"],
        new_logp: Float[Tensor, "B J"],
        old_logp: Float[Tensor, "B J"],
        advantages: Float[Tensor, "B J"],
        *,
        entropy_coef: float,
    ) -> PolicyLoss:
        """The loss of a minibatch of the policy, by default PPO's clipped surrogate; see `path_policy_loss`."""
        rest = (new_logp, old_logp, advantages)
        return path_policy_loss(log_policy, *rest, clip=self.config.clip, entropy_coef=entropy_coef)


def loss_of_credit(
    algorithm: Algorithm, credit: Credit, device: torch.device, entropy_coef: float
) -> Callable[[Float[Tensor, "B A"], Int[np.ndarray, " B"]], PolicyLoss]:
    """The algorithm's loss of some of a rollout's decisions, from log pi(action | prompt) and their positions."""
    remaining, old_logp = credit.choices.remaining.to(device), credit.choices.old_logp.to(device)
    advantages = credit.choices.padded(credit.advantages).to(device)

    def loss(log_policy: Float[Tensor, "B A"], index: Int[np.ndarray, " B"]) -> PolicyLoss:
        given = (log_policy, choice_log_probs(log_policy, remaining[index]), old_logp[index], advantages[index])
        return algorithm.loss(*given, entropy_coef=entropy_coef)

    return loss


def rollout_tensors(rollout: Rollout) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Rewards, durations, and where episodes ended and were cut off, as tensors, T x E."""
    arrays = (rollout.rewards, rollout.durations, rollout.terminated, rollout.truncated)
    rewards, durations, terminated, truncated = map(torch.from_numpy, arrays)
    return rewards, durations, terminated, truncated


def require_credit(credit: Credit, name: str, *, critic: bool) -> None:
    """Check what an algorithm has returned, which anybody may have written (ConfigError)."""
    expected = (len(credit.choices.states),)
    wanted = {"advantages": True, "values": critic, "returns": critic}
    for part, is_wanted in wanted.items():
        tensor = getattr(credit, part)
        found = None if tensor is None else tuple(tensor.shape)
        if found != (expected if is_wanted else None):
            raise ConfigError(
                f"the algorithm {name!r}, registered with critic={critic}, gives credit whose {part} have the shape "
                f"{found}; expected {expected if is_wanted else 'none'}, one for each choice of the rollout."
            )


def no_values(states: Sequence[State]) -> Float[Tensor, " N"]:
    """Stands for the critic where there is none.

    Raises:
        ConfigError: always.
    """
    raise ConfigError(
        f"an algorithm that is registered with critic=False asks for the values of {len(states)} states; expected not "
        "to. Register it with critic=True, or leave the values alone."
    )
