"""Return and success of a policy over fresh episodes.

Every episode that is begun is finished and counted, and which episodes are begun does not depend on how
long they take: averaging the first so many to *finish* would favor the short, lucky ones.
"""

import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import gymnasium
import numpy as np

from twosome.decision import Decision
from twosome.envs import text
from twosome.envs.checked import MAX_SEED, CheckedEnv
from twosome.errors import ConfigError
from twosome.policy.actor import sample
from twosome.rollout import Episode, EpisodeCounter, Policy
from twosome.setting_types import require_at_least
from twosome.statistics import bootstrap_interval, wilson_interval

LONG = 10_000
"""Decisions after which it is said that an episode does not end."""


class EndlessEpisodeWarning(UserWarning):
    """An episode takes so long that it may never end."""


@runtime_checkable
class Player(Protocol):
    """Chooses an action in each of several environments."""

    def choose(
        self,
        envs: Sequence[gymnasium.Env[Any, Any]],
        decisions: Sequence[Decision],
        rngs: Sequence[np.random.Generator],
    ) -> list[int]:
        """One action id for each environment."""
        ...


@dataclass(frozen=True)
class Sampled:
    """Plays by drawing from a policy, or by its most probable action."""

    policy: Policy
    greedy: bool = False

    def choose(
        self,
        envs: Sequence[gymnasium.Env[Any, Any]],
        decisions: Sequence[Decision],
        rngs: Sequence[np.random.Generator],
    ) -> list[int]:
        """Draw one action for each decision."""
        rows = self.policy.probabilities(decisions)
        if self.greedy:
            return [int(np.argmax(row)) for row in rows]
        return [sample(row, rng) for row, rng in zip(rows, rngs, strict=True)]


@dataclass(frozen=True)
class Evaluation:
    """What a policy achieved in ``episodes``, in the order in which they were begun."""

    episodes: tuple[Episode, ...]

    def summary(self) -> dict[str, Any]:
        """Means with 95% intervals, as plain JSON."""
        returns = np.array([episode.discounted_return for episode in self.episodes])
        successes = sum(episode.success for episode in self.episodes)
        return {
            "episodes": len(self.episodes),
            "success_rate": successes / len(self.episodes),
            "success_ci95": wilson_interval(successes, len(self.episodes)),
            "return_mean": float(returns.mean()),
            "return_ci95": bootstrap_interval(returns),
            "length_mean": float(np.mean([episode.length for episode in self.episodes])),
            "decisions_mean": float(np.mean([episode.decisions for episode in self.episodes])),
        }


def evaluate(
    player: Player,
    env: str,
    env_kwargs: dict[str, Any] | None = None,
    *,
    gamma: float,
    episodes: int = 100,
    seed: int = 0,
    parallel: int = 16,
) -> Evaluation:
    """Play fresh episodes.

    Args:
        player: who plays.
        env: the world's name.
        env_kwargs: its keyword arguments.
        gamma: discount per primitive step for the returns.
        episodes: how many.
        seed: episode ``i`` is reset with ``seed + i`` and draws its actions from a generator of its own, so
            that results do not depend on ``parallel``, but for a language model's rounding in batches.
        parallel: how many run side by side.

    Raises:
        ConfigError: there is nothing to play, or a seed would be negative or beyond 31 bits.
        WorldError: the world fails or breaks its contract.
    """
    require_at_least("episodes", episodes, 1)
    require_at_least("seed", seed, 0)
    if seed + episodes - 1 > MAX_SEED:
        raise ConfigError(
            f"--seed is {seed}; expected at most {MAX_SEED + 1 - episodes:,}, as each of {episodes:,} episodes has the "
            "next seed, and many worlds take none beyond 31 bits."
        )
    with ExitStack() as stack:
        envs = [
            stack.enter_context(text.make_checked(env, **(env_kwargs or {}))) for _ in range(min(parallel, episodes))
        ]
        return Evaluation(_play(player, envs, gamma=gamma, episodes=episodes, seed=seed))


def _play(player: Player, envs: Sequence[CheckedEnv], *, gamma: float, episodes: int, seed: int) -> tuple[Episode, ...]:
    finished: dict[int, Episode] = {}
    slots: dict[int, _Slot] = {}
    waiting = iter(range(episodes))
    for place, index in zip(range(len(envs)), waiting, strict=False):
        slots[place] = _Slot.begin(envs[place], index, seed)
    while slots:
        places = list(slots)
        running = [slots[place] for place in places]
        actions = player.choose(
            [slot.env.env for slot in running], [s.decision for s in running], [s.rng for s in running]
        )
        for place, slot, action in zip(places, running, actions, strict=True):
            episode = slot.step(action, gamma)
            if episode is None:
                continue
            finished[slot.index] = episode
            following = next(waiting, None)
            if following is None:
                del slots[place]
            else:
                slots[place] = _Slot.begin(slot.env, following, seed)
    return tuple(finished[index] for index in range(episodes))


@dataclass
class _Slot:
    """One running episode."""

    env: CheckedEnv
    index: int
    decision: Decision
    rng: np.random.Generator
    counter: EpisodeCounter

    @classmethod
    def begin(cls, env: CheckedEnv, index: int, seed: int) -> "_Slot":
        return cls(env, index, env.reset(seed + index), np.random.default_rng([seed, index]), EpisodeCounter())

    def step(self, action: int, gamma: float) -> Episode | None:
        step = self.env.step(action)
        self.counter.add(step.reward, step.primitive_steps, gamma)
        if step.decision is None:
            return self.counter.finish(step.success)
        if self.counter.decisions == LONG:
            warnings.warn(
                f"an episode of {self.env.name} has had {LONG:,} decisions and goes on. If it never ends, set a limit: "
                "--env-kwargs '{\"max_episode_steps\": 100}'",
                EndlessEpisodeWarning,
                stacklevel=3,
            )
        self.decision = step.decision
        return None
