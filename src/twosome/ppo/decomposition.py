"""Actions as paths of choices: what ``--algorithm poad`` gives credit to, where PPO gives it to whole actions.

A phrase is a path through the trie of its decision's phrases. Most of its tokens are forced: a *choice* is a place on
the path where more than one continuation leads to an action, the end of a phrase that others go on from among them.
The policy stays the softmax over whole actions and factors exactly,

    pi(action) = product over its choices of  P(actions still possible after the choice) / P(those possible before it),

so sampling and evaluation know nothing of this. Bellman's backup with action decomposition then says what a choice
is worth: within an action nothing is earned and no time passes, so the target is the value at the next choice; the
last choice of an action earns the action's reward, and what follows is discounted over its primitive steps.

What the critic reads before an action's first choice is the prompt, forced tokens or not, since they add nothing to
the state: so it is one place with the state that the action before has led to. An action without an alternative is
one choice of probability 1. Where all actions part at one place, all is as in PPO to the last bit.

The published method generates any tokens, each of which is a choice; here only valid actions are open. The loss adds
up over an action's choices, since the gradient of log pi does, and its entropy is that of the actions, which is the
expected sum of the choices' entropies.

Source: Wen et al., 2024 (arXiv:2405.15821), "Reinforcing Language Agents via Policy Optimization with Action
Decomposition".
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from twosome.decision import Decision
from twosome.policy.critic import State
from twosome.ppo.gae import Estimates, estimate_advantages
from twosome.rollout import Rollout
from twosome.scoring.spans import Spans

Tokens = Sequence[int]


@dataclass(frozen=True)
class Choices:
    """The choices that made the B actions of a rollout: N in all, at most J in an action, at least one.

    A flat tensor has those of the rollout's first decision first, in the order of its decisions row by row.

    Attributes:
        states: what the critic reads before each choice, N of them.
        is_choice: True for each choice of an action, False behind its last.
        remaining: True for the actions that were still possible after a choice; behind the last, for the one taken.
        old_logp: log-probability of each choice when it was made, in nats; 0 behind the last.
    """

    states: list[State]
    is_choice: Bool[Tensor, "B J"]
    remaining: Bool[Tensor, "B J A"]
    old_logp: Float[Tensor, "B J"]

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
    return _choices(rollout, lambda decision, action: [(decision.prompt, decision.available)])


def decompose(rollout: Rollout, spans_of: Callable[[Decision], Spans]) -> Choices:
    """Each action as the path of choices that its tokens are.

    Args:
        rollout: with the policy that acted in it.
        spans_of: the tokens of a decision.
    """
    known: dict[tuple[Decision, int], list[tuple[State, Sequence[int]]]] = {}

    def path_of(decision: Decision, action: int) -> list[tuple[State, Sequence[int]]]:
        if (decision, action) not in known:
            spans = spans_of(decision)
            (_, possible), *later = branchings(spans.actions, action)
            known[decision, action] = [
                (decision.prompt, possible),
                *((spans.shared + spans.actions[action][:depth], possible) for depth, possible in later),
            ]
        return known[decision, action]

    return _choices(rollout, path_of)


def branchings(actions: Sequence[Tokens], taken: int) -> list[tuple[int, list[int]]]:
    """The places on an action's path at which it parts from others; its end is one where a longer action goes on.

    Args:
        actions: the tokens of each action id; none where it is not available.
        taken: the action.

    Returns:
        Tokens before each place, and the action ids possible there, fewer and fewer. At least one place: the
        beginning, where nothing parts from the action.
    """
    word = actions[taken]
    possible = [i for i, tokens in enumerate(actions) if len(tokens)]
    places = [(0, possible)]
    for depth in range(len(word) + 1):
        following = [i for i in possible if actions[i][depth : depth + 1] == word[depth : depth + 1]]
        if len(following) < len(possible):
            places.append((depth, possible))
        possible = following
    return places[1:] or places


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
    gamma: float,
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


def _choices(rollout: Rollout, path_of: Callable[[Decision, int], Sequence[tuple[State, Sequence[int]]]]) -> Choices:
    """From what gives, for a decision and the action taken, each choice's state and the actions possible there."""
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
