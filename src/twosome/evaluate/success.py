"""Return and success of a policy over fresh episodes.

Every episode that is begun is finished and counted, and which episodes are begun does not depend on how
long they take: averaging the first so many to *finish* would favor the short, lucky ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from twosome.envs import text
from twosome.envs.checked import MAX_SEED
from twosome.envs.named import NamedEnv
from twosome.errors import ConfigError
from twosome.play import draw, most_probable, play
from twosome.policy.base import Policy
from twosome.rollout import Episode
from twosome.setting_types import require_at_least
from twosome.statistics import bootstrap_interval, wilson_interval


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
    policy: Policy,
    env: text.EnvLike | NamedEnv,
    env_kwargs: dict[str, Any] | None = None,
    *,
    gamma: float | None = None,
    greedy: bool = False,
    episodes: int = 100,
    seed: int = 0,
    parallel: int = 16,
) -> Evaluation:
    """Play fresh episodes.

    Args:
        policy: who plays.
        env: the environment's name, the environment itself (with ``parallel=1``), or what makes it; a `NamedEnv` also
            says in which processes.
        env_kwargs: its keyword arguments, if it is given by its name.
        gamma: discount per primitive step for the returns; None: the environment's own.
        greedy: take the most probable action in place of drawing.
        episodes: how many.
        seed: episode ``i`` is reset with ``seed + i`` and draws its actions from a generator of its own, so
            that results do not depend on ``parallel``, but for a language model's rounding in batches.
        parallel: how many run side by side.

    Raises:
        ConfigError: there is nothing to play, or a seed would be negative or beyond 31 bits.
        EnvError: the environment fails or breaks its contract.
    """
    return evaluate_on(policy, env, seeds_of(episodes, seed), env_kwargs, gamma=gamma, greedy=greedy, parallel=parallel)


def seeds_of(episodes: int, seed: int) -> range:
    """The seeds of so many episodes, the first of which has this one.

    Raises:
        ConfigError: there is nothing to play, or a seed would be negative or beyond 31 bits.
    """
    require_at_least("episodes", episodes, 1)
    require_at_least("seed", seed, 0)
    if seed + episodes - 1 > MAX_SEED:
        raise ConfigError(
            f"--seed is {seed}; expected at most {MAX_SEED + 1 - episodes:,}, as each of {episodes:,} episodes has the "
            "next seed, and many environments take none beyond 31 bits."
        )
    return range(seed, seed + episodes)


def evaluate_on(
    policy: Policy,
    env: text.EnvLike | NamedEnv,
    seeds: Sequence[int],
    env_kwargs: dict[str, Any] | None = None,
    *,
    gamma: float | None = None,
    greedy: bool = False,
    parallel: int = 16,
) -> Evaluation:
    """As `evaluate`, an episode for each of these seeds; those of its actions come from the first and its number."""
    choose = most_probable if greedy else draw
    steps = play(policy, env, seeds, env_kwargs=env_kwargs, gamma=gamma, choose=choose, parallel=parallel)
    finished = {step.number: step.episode for step in steps if step.episode is not None}
    return Evaluation(tuple(finished[number] for number in range(len(seeds))))
