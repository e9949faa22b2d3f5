"""What credit goes to: the choices that make up the actions of a rollout, in PPO one for each action."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from twosome.decision import Decision
from twosome.policy.critic import State
from twosome.ppo.gae import Estimates, Gamma, estimate_advantages
from twosome.rollout import Rollout

Path = Sequence[tuple[State, Sequence[int]]]
"""The choices of an action: what the critic reads before each, and the action ids that are possible there."""


@dataclass(frozen=True)
class Choices:
    """The choices that made the B actions of a rollout: N in all, at most J in an action, at least one.

    A flat tensor has those of the rollout's first decision first, in the order of its decisions row by row.
    """

    states: list[State]  # what the critic reads before each choice, N of them
    is_choice: Bool[Tensor, "B J"]  # True for each choice of an action, False behind its last
    remaining: Bool[Tensor, "B J A"]
    """True for the actions that were still possible after a choice; behind the last, for the one taken."""
    old_logp: Float[Tensor, "B J"]  # log-probability of each choice when it was made, in nats; 0 behind the last

    def numbers(self, index: Int[np.ndarray, " M"]) -> Int[Tensor, " K"]:
        """Where the choices of some decisions stand in a flat tensor."""
        flat = torch.zeros(self.is_choice.shape, dtype=torch.int64)
        flat[self.is_choice] = torch.arange(len(self.states))
        return flat[index][self.is_choice[index]]

    def padded(self, flat: Float[Tensor, " N"]) -> Float[Tensor, "B J"]:
        """A flat tensor by decision, 0 behind an action's last choice."""
        padded = flat.new_zeros(self.is_choice.shape)
        padded[self.is_choice] = flat
        return padded


def whole_actions(rollout: Rollout) -> Choices:
    """Each action as a single choice, as PPO has it."""
    return choices_along(rollout, lambda decision, action: [(decision.prompt, decision.available)])


def choices_along(rollout: Rollout, path_of: Callable[[Decision, int], Path]) -> Choices:
    """The choices of a rollout, from what gives the path of a decision's action."""
    decisions = list(chain(*rollout.decisions))
    actions = rollout.actions.flatten()
    paths = [path_of(decision, int(action)) for decision, action in zip(decisions, actions, strict=True)]
    B, J, A = len(decisions), max(map(len, paths)), max(len(decision.actions) for decision in decisions)
    is_choice = torch.arange(J) < torch.tensor([len(path) for path in paths])[:, None]
    remaining = np.zeros((B, J, A), dtype=np.bool_)
    remaining[np.arange(B), :, actions] = True
    log_policy = np.full((B, A), -np.inf)
    for i, (path, policy) in enumerate(zip(paths, chain(*rollout.probabilities), strict=True)):
        for j, (_, possible) in enumerate(path[1:]):
            remaining[i, j, possible] = True
        np.log(policy, out=log_policy[i, : len(policy)], where=policy > 0)
    old_logp = choice_log_probs(torch.from_numpy(log_policy), torch.from_numpy(remaining)).float()
    return Choices([state for path in paths for state, _ in path], is_choice, torch.from_numpy(remaining), old_logp)


def choice_log_probs(log_policy: Float[Tensor, "B A"], remaining: Bool[Tensor, "B J N"]) -> Float[Tensor, "B J"]:
    """Log-probability of each choice, in nats; a row adds up to the log-probability of the action taken.

    Args:
        log_policy: log pi(action | prompt), each row summing to one in probability.
        remaining: see `Choices`; read as far as `log_policy` has action ids.
    """
    remaining = remaining[:, :, : log_policy.shape[1]]
    log_mass = log_policy[:, None].masked_fill(~remaining, -torch.inf).logsumexp(-1)
    # Before the first choice all actions are possible. Behind the last one the mass stays, so its logarithm grows by 0.
    return torch.diff(log_mass, dim=1, prepend=torch.zeros_like(log_mass[:, :1]))


def estimate_choices(
    num_choices: Int[Tensor, "T E"],
    rewards: Float[Tensor, "T E"],
    durations: Int[Tensor, "T E"],
    values: Float[Tensor, " N"],
    next_values: Float[Tensor, "T E"],
    terminated: Bool[Tensor, "T E"],
    truncated: Bool[Tensor, "T E"],
    *,
    gamma: Gamma,
    gae_lambda: float,
) -> Estimates:
    """Advantages and value targets of the N choices of a rollout; lambda counts choices.

    Args:
        num_choices: of each decision.
        rewards: of each decision, as the rest; see `estimate_advantages`.
        durations: primitive steps, all taken by a decision's last choice.
        values: critic before each choice.
        next_values: critic at the state that a decision led to.
        terminated: where the episode ended.
        truncated: where it was cut off.
        gamma: discount per primitive step.
        gae_lambda: weight of later errors per choice.
    """
    # Each environment's choices one below the other, all ending in the same last row. Advantages are found from there
    # upwards, so what is above an environment's first choice concerns none.
    below = num_choices.flip(0).cumsum(0).flip(0)
    shape = (int(below[0].max()), num_choices.shape[1])
    last_rows = shape[0] - below + num_choices - 1
    columns = torch.arange(shape[1]).expand_as(num_choices)
    last = (last_rows, columns)
    counts = num_choices.flatten()
    ends = counts.cumsum(0)
    own = torch.arange(len(values))
    rows = last_rows.flatten().repeat_interleave(counts) - (ends.repeat_interleave(counts) - 1 - own)
    cells = (rows, columns.flatten().repeat_interleave(counts))

    table = values.new_zeros(shape).index_put(cells, values)
    no_flags = torch.zeros(shape, dtype=torch.bool)
    estimates = estimate_advantages(
        rewards.new_zeros(shape).index_put(last, rewards),
        durations.new_zeros(shape).index_put(last, durations),
        table,
        table.roll(-1, 0).index_put(last, next_values),
        no_flags.index_put(last, terminated),
        no_flags.index_put(last, truncated),
        gamma=gamma,
        gae_lambda=gae_lambda,
    )
    return Estimates(estimates.advantages[cells], estimates.returns[cells])
