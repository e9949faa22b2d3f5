"""Self-imitation: what earned a reward is learned again, until rewards are common.

Where rewards are rare, the rollout in which one comes teaches it once, and all others move the policy by the critic's
noise. So the latest rewarded episodes are kept, and decisions of theirs after which more came than the critic expects
are imitated: the loss is the mean of ``-log pi(a | s) max(R - V(s), 0) / max |R|`` over what is kept, R the discounted
return from there (Oh et al., 2018, arXiv:1806.05635, eq. 2).

Departures: returns are divided by the largest, since rewards are of any scale; it ends once half of the latest episodes
are rewarded, since where chance decides it learns from luck; the critic is fitted to rollouts alone; the temperature
and the prior's weight stay out of it.
"""

from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from twosome.decision import Decision
from twosome.policy.critic import State
from twosome.ppo.loss import PolicyLoss
from twosome.rollout import Episode, Rollout

EPISODES = 16
"""How many rewarded episodes are kept."""
TEXT = 2**21
"""Characters that are kept of all of them, and as many of the episodes under way, in equal shares; of a longer one its
last decisions. A checkpoint tells them all, and has to stay readable."""
_DEED = 100
"""Characters that count for a decision beside its text."""
_PHRASE = 20
"""Characters that count for an action beside its text, also where it is none."""
BATCH = 64
"""Decisions in a step."""
ENOUGH = 0.5
"""The share of rewarded episodes from which on nothing is imitated."""


@dataclass(frozen=True)
class Deed:
    """A decision, what was done, and what came of it."""

    decision: Decision
    action: int
    reward: float
    duration: int

    @property
    def size(self) -> int:
        """Characters that it takes, nearly."""
        return _DEED + len(self.decision.prompt) + sum(_PHRASE + len(phrase) for phrase in self.decision.actions)


@dataclass
class OwnEpisodes:
    """The latest episodes that were rewarded, and the episodes under way.

    Args:
        running: those under way, one for each environment; empty before the first rollout.
        kept: those that were rewarded.
        share: of the characters that a run keeps, which its kinds of environments have in equal parts.
    """

    running: list[list[Deed]] = field(default_factory=list)
    kept: deque[list[Deed]] = field(default_factory=lambda: deque(maxlen=EPISODES))
    share: float = 1.0

    def take_in(self, rollout: Rollout) -> None:
        """Follow the episodes of a rollout of all environments; rollouts come in order."""
        T, E = rollout.actions.shape
        characters = int(TEXT * self.share)
        self.running = self.running or [[] for _ in range(E)]
        lost = set(rollout.cut)
        for i in range(E):
            if (-1, i) in lost:
                self.running[i].clear()
        for t in range(T):
            for i, path in enumerate(self.running):
                done = (rollout.actions[t, i], rollout.rewards[t, i], rollout.durations[t, i])
                path.append(Deed(rollout.decisions[t][i], *(value.item() for value in done)))
                if rollout.terminated[t, i] or rollout.truncated[t, i]:
                    end = last_of(path, characters // EPISODES)
                    if (t, i) not in lost and any(deed.reward > 0 for deed in end):
                        self.kept.append(end)
                    path.clear()
        self.running = [last_of(path, characters // E) for path in self.running]

    def worth_imitating(self, latest: Collection[Episode]) -> bool:
        """Whether there is something to imitate, and rewards are still rare.

        Args:
            latest: episodes, over which this is told.
        """
        rewarded = sum(episode.success or episode.discounted_return > 0 for episode in latest)
        return bool(self.kept) and rewarded < ENOUGH * max(1, len(latest))

    def state(self) -> dict[str, Any]:
        """All of it as plain JSON, each decision written once."""
        numbers: dict[Decision, int] = {}

        def written(path: Sequence[Deed]) -> list[list[Any]]:
            return [
                [numbers.setdefault(deed.decision, len(numbers)), deed.action, deed.reward, deed.duration]
                for deed in path
            ]

        paths = {"running": [written(path) for path in self.running], "kept": [written(path) for path in self.kept]}
        return {"decisions": [[decision.prompt, list(decision.actions)] for decision in numbers], **paths}

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to where `state` stood."""
        decisions = [Decision(prompt, tuple(actions)) for prompt, actions in state["decisions"]]

        def read(path: list[list[Any]]) -> list[Deed]:
            return [Deed(decisions[number], *rest) for number, *rest in path]

        self.running = list(map(read, state["running"]))
        self.kept = deque(map(read, state["kept"]), maxlen=EPISODES)


class Imitation:
    """What there is to imitate at one update.

    Args:
        episodes: to learn from; at least one.
        gamma: discount per primitive step.
        divisor: what the critic's rewards are divided by.
        values_of: asks the critic, as of `Algorithm.credit`.
    """

    def __init__(
        self,
        episodes: Sequence[Sequence[Deed]],
        gamma: float,
        divisor: float,
        values_of: Callable[[Sequence[State]], Float[Tensor, " N"]],
    ) -> None:
        deeds = list(chain(*episodes))
        self.decisions = [deed.decision for deed in deeds]
        returns = np.concatenate([returns_of(path, gamma) for path in episodes]) / divisor
        expected = values_of([decision.prompt for decision in self.decisions]).double().numpy()
        self.weights: Float[np.ndarray, " N"] = np.maximum(returns - expected, 0.0) / np.abs(returns).max()
        self._actions = torch.tensor([deed.action for deed in deeds])

    def draw(self, rng: np.random.Generator) -> Int[np.ndarray, " B"]:
        """Decisions for one step, each as probable as its weight; none where all went as expected."""
        total = self.weights.sum()
        if total == 0:
            return np.empty(0, np.int64)
        return rng.choice(len(self.weights), BATCH, p=self.weights / total)

    def loss(self, log_policy: Float[Tensor, "B A"], index: Int[np.ndarray, " B"]) -> PolicyLoss:
        """The loss of decisions that were drawn: drawn by weight, each stands for the mean weight.

        Args:
            log_policy: log pi(action | prompt) in nats of each.
            index: which they are.
        """
        actions = self._actions[index].to(log_policy.device)
        likelihood = log_policy.gather(1, actions[:, None]).mean()
        nothing = torch.zeros(())
        return PolicyLoss(-likelihood * float(self.weights.mean()), nothing, nothing, nothing)


def last_of(path: list[Deed], characters: int) -> list[Deed]:
    """The last decisions of an episode, as many as take no more than so many characters."""
    start = len(path)
    while start > 0 and (characters := characters - path[start - 1].size) >= 0:
        start -= 1
    return path[start:]


def returns_of(path: Sequence[Deed], gamma: float) -> Float[np.ndarray, " T"]:
    """Discounted return from each decision of an episode to its end."""
    returns, following = np.zeros(len(path)), 0.0
    for t in range(len(path) - 1, -1, -1):
        following = path[t].reward + gamma ** path[t].duration * following
        returns[t] = following
    return returns
