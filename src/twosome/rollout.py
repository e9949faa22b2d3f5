"""The one place where worlds and policies meet: collecting decisions from parallel environments.

Environments reset themselves within the step that ends an episode (Gymnasium's `SAME_STEP`), so that every
row of a rollout is a real decision; the last state of a cut-off episode, whose value the estimates need,
comes from `final_obs`.

What it computes is `twosome.minimal.collect`.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import Any, Protocol, runtime_checkable

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker, TimeLimit
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from twosome.decision import Decision
from twosome.envs.outcome import outcome
from twosome.envs.text import decision_from, decisions_from
from twosome.policy.actor import sample_at
from twosome.policy.uniform import Uniform


@runtime_checkable
class Policy(Protocol):
    """Whatever gives a probability to each action id at each decision."""

    def probabilities(self, decisions: Sequence[Decision]) -> list[NDArray[np.float64]]:
        """One row for each decision; zero where an action is not available."""
        ...


@dataclass(frozen=True)
class Episode:
    """A finished episode.

    Attributes:
        discounted_return: sum of rewards, discounted per primitive step, as the paper logs it.
        length: primitive steps.
        decisions: decisions.
        success: whether the task was done.
    """

    discounted_return: float
    length: int
    decisions: int
    success: bool


def episode_means(episodes: Collection[Episode]) -> dict[str, float | None]:
    """Means over episodes, as metrics name them; None where there is none."""
    names = {"return_mean": "discounted_return", "success_rate": "success", "length_mean": "length"}
    return {
        name: float(np.mean([getattr(episode, of) for episode in episodes])) if episodes else None
        for name, of in names.items()
    }


@dataclass
class EpisodeCounter:
    """Adds up one running episode."""

    discounted_return: float = 0.0
    discount: float = 1.0
    length: int = 0
    decisions: int = 0

    def add(self, reward: float, primitive_steps: int, gamma: float) -> None:
        """Count one decision; the reward is already discounted inside its macro-action."""
        self.discounted_return += self.discount * reward
        self.discount *= gamma**primitive_steps
        self.length += primitive_steps
        self.decisions += 1

    def finish(self, success: bool) -> Episode:
        """The episode counted so far."""
        return Episode(self.discounted_return, self.length, self.decisions, success)


@dataclass(frozen=True)
class Rollout:
    """T decisions in each of E environments, and what followed.

    ``decisions``, ``next_prompts`` and ``probabilities``, the policy at each decision, are lists of T rows of E. See
    `estimate_advantages` for the arrays.
    """

    decisions: list[list[Decision]]
    next_prompts: list[list[str]]
    probabilities: list[list[NDArray[np.float64]]]
    actions: Int[np.ndarray, "T E"]
    logp: Float[np.ndarray, "T E"]
    rewards: Float[np.ndarray, "T E"]
    durations: Int[np.ndarray, "T E"]
    terminated: Bool[np.ndarray, "T E"]
    truncated: Bool[np.ndarray, "T E"]
    episodes: list[Episode] = field(default_factory=list)


class Collector:
    """Parallel environments, where they stand, and the running episodes.

    Args:
        make: makes one environment.
        num_envs: how many there are in all.
        gamma: discount per primitive step for the episodes' returns.
        seed: each environment is reset with one derived from it. Counting up from it would let runs of neighboring
            seeds meet the same worlds.
        own: which of them are stepped here; the others belong to other processes. None: all.
    """

    def __init__(
        self,
        make: Callable[[], gymnasium.Env[Any, Any]],
        num_envs: int,
        gamma: float,
        seed: int | Sequence[int],
        own: range | None = None,
    ) -> None:
        self.num_envs = num_envs
        self.own = slice(0, num_envs) if own is None else slice(own.start, own.stop)
        num_own = self.own.stop - self.own.start
        self.envs = SyncVectorEnv([make] * num_own, copy=False, autoreset_mode=AutoresetMode.SAME_STEP)
        self.gamma = gamma
        self._begin(seed)
        self.counters = [EpisodeCounter() for _ in range(num_own)]

    def _begin(self, seed: int | Sequence[int]) -> None:
        seeds = np.random.SeedSequence(seed).generate_state(self.num_envs)[self.own]
        observation, _ = self.envs.reset(seed=seeds.tolist())
        self.current = decisions_from(observation, self.envs.num_envs)

    def collect(self, policy: Policy, num_steps: int, rng: np.random.Generator) -> Rollout:
        """Let the policy act for ``num_steps`` decisions in each environment that is stepped here."""
        T, E = num_steps, self.envs.num_envs
        rollout = Rollout(
            decisions=[],
            next_prompts=[],
            probabilities=[],
            actions=np.zeros((T, E), np.int64),
            logp=np.zeros((T, E), np.float32),
            rewards=np.zeros((T, E), np.float32),
            durations=np.ones((T, E), np.int64),
            terminated=np.zeros((T, E), np.bool_),
            truncated=np.zeros((T, E), np.bool_),
        )
        for t in range(T):
            probabilities = policy.probabilities(self.current)
            # Drawn for all, so that the generator stands alike in every process.
            draws = rng.random(self.num_envs)[self.own]
            actions = np.array([sample_at(row, draw) for row, draw in zip(probabilities, draws, strict=True)])
            observation, rewards, terminated, truncated, infos = self.envs.step(actions)
            rollout.decisions.append(self.current)
            rollout.probabilities.append(probabilities)
            self.current = decisions_from(observation, E)
            rollout.actions[t] = actions
            rollout.logp[t] = [np.log(row[action]) for row, action in zip(probabilities, actions, strict=True)]
            rollout.rewards[t] = rewards
            rollout.terminated[t] = terminated
            rollout.truncated[t] = truncated
            rollout.next_prompts.append([decision.prompt for decision in self.current])
            for i, info in enumerate(_own_infos(infos, terminated | truncated)):
                self._count(rollout, t, i, float(rewards[i]), info)
                if "final_obs" in info:
                    rollout.next_prompts[t][i] = info["final_obs"]["prompt"]
        return rollout

    def _count(self, rollout: Rollout, t: int, i: int, reward: float, info: dict[str, Any]) -> None:
        primitive_steps, success = outcome(info, bool(rollout.terminated[t, i]), reward)
        rollout.durations[t, i] = primitive_steps
        self.counters[i].add(reward, primitive_steps, self.gamma)
        if rollout.terminated[t, i] or rollout.truncated[t, i]:
            rollout.episodes.append(self.counters[i].finish(success))
            self.counters[i] = EpisodeCounter()

    @property
    def can_restore(self) -> bool:
        """Whether every environment can save and restore its state, its wrappers included."""
        return all(_can_restore(env) for env in self.envs.envs)

    def state(self) -> dict[str, Any]:
        """Where everything stepped here stands, as plain JSON. Environments that cannot say are left out."""
        states = [env.unwrapped.get_state() for env in self.envs.envs] if self.can_restore else None  # type: ignore[attr-defined]
        return {
            "envs": states,
            "elapsed": [[limit._elapsed_steps for limit in _time_limits(env)] for env in self.envs.envs],
            "counters": [asdict(counter) for counter in self.counters],
        }

    def restore(self, state: dict[str, Any], fresh_seed: int | Sequence[int]) -> bool:
        """Go back to a saved state.

        Args:
            state: of all environments, as `state` returned it, or `merge_states` for several processes.
            fresh_seed: for environments that cannot restore theirs: they begin new episodes from it.

        Returns:
            Whether the environments stand where they stood.
        """
        if state["envs"] is None or not self.can_restore:
            self._begin(fresh_seed)
            return False
        for env, elapsed in zip(self.envs.envs, state["elapsed"][self.own], strict=True):
            for limit, steps in zip(_time_limits(env), elapsed, strict=True):
                limit._elapsed_steps = steps
        for env, saved in zip(self.envs.envs, state["envs"][self.own], strict=True):
            env.unwrapped.set_state(saved)  # type: ignore[attr-defined]
        self.current = [decision_from(env.unwrapped.observation()) for env in self.envs.envs]  # type: ignore[attr-defined]
        self.counters = [EpisodeCounter(**counter) for counter in state["counters"][self.own]]
        return True


def random_decisions(make: Callable[[], gymnasium.Env[Any, Any]], seed: int, count: int = 256) -> list[Decision]:
    """The distinct decisions that uniformly random play meets, in a world made for it.

    Args:
        make: makes the world.
        seed: of a run. What is drawn here is drawn apart: none of the run's own worlds and draws is the same.
        count: decisions to play.
    """
    apart = (seed, 0, 1)  # resumed worlds have (seed, update)
    collector = Collector(make, 1, 1.0, apart)
    rollout = collector.collect(Uniform(), count, np.random.default_rng(apart))
    collector.envs.close()
    return list(dict.fromkeys(chain(*rollout.decisions)))


def merge(rollouts: Sequence[Rollout]) -> Rollout:
    """One rollout out of those of several processes, in the order of their environments."""
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(rollout, name) for rollout in rollouts], axis=1)
        for name in ("actions", "logp", "rewards", "durations", "terminated", "truncated")
    }
    # Each process lists the episodes that ended with it by step, then environment; so does the whole.
    owner = np.repeat(np.arange(len(rollouts)), [rollout.actions.shape[1] for rollout in rollouts])
    finished = [iter(rollout.episodes) for rollout in rollouts]
    ends = np.argwhere(arrays["terminated"] | arrays["truncated"])
    rows: dict[str, Any] = {
        name: [list(chain(*parts)) for parts in zip(*(getattr(rollout, name) for rollout in rollouts), strict=True)]
        for name in ("decisions", "next_prompts", "probabilities")
    }
    return Rollout(
        **rows,
        **arrays,
        episodes=[next(finished[owner[i]]) for _, i in ends],
    )


def merge_states(states: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The state of all environments out of those of several processes."""
    known = all(state["envs"] is not None for state in states)
    return {
        "envs": [env for state in states for env in state["envs"]] if known else None,
        "elapsed": [elapsed for state in states for elapsed in state["elapsed"]],
        "counters": [counter for state in states for counter in state["counters"]],
    }


def _wrappers(env: gymnasium.Env[Any, Any]) -> list[gymnasium.Wrapper[Any, Any, Any, Any]]:
    found = []
    while isinstance(env, gymnasium.Wrapper):
        found.append(env)
        env = env.env
    return found


def _time_limits(env: gymnasium.Env[Any, Any]) -> list[TimeLimit[Any, Any]]:
    return [wrapper for wrapper in _wrappers(env) if isinstance(wrapper, TimeLimit)]


def _can_restore(env: gymnasium.Env[Any, Any]) -> bool:
    methods = ("get_state", "set_state", "observation")
    # Other wrappers may keep a state of their own, which nobody would restore.
    known = all(type(wrapper) in (PassiveEnvChecker, OrderEnforcing, TimeLimit) for wrapper in _wrappers(env))
    return known and all(callable(getattr(env.unwrapped, name, None)) for name in methods)


def _own_infos(infos: dict[str, Any], done: Bool[np.ndarray, " E"]) -> list[dict[str, Any]]:
    """What each environment said of *this* step: of an ended episode its last words, not the next one's first."""
    rows: list[dict[str, Any]] = []
    for i, ended in enumerate(done):
        source = infos["final_info"] if ended else infos
        row = {
            name: source[name][i]
            for name in ("primitive_steps", "success")
            if name in source and source.get(f"_{name}", np.ones(len(done), bool))[i]
        }
        if ended:
            row["final_obs"] = infos["final_obs"][i]
        rows.append(row)
    return rows
