"""The one place where environments and policies meet: collecting decisions from parallel environments.

An environment is reset within the step that ends its episode, so that every row of a rollout is a real decision. The
last state of a cut-off episode, whose value the estimates need, is kept beside; that of an episode which the
environment terminated is never read.

An episode that is lost, since its environment crashed or hung, is cut off after its last whole decision: the state that
this led to was seen and has a value. The decision whose action brought no answer says nothing of the action and is left
out; in its row stands the first decision of the environment's next episode, drawn by a number of its own.

What it computes is `twosome.minimal.collect`.
"""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import gymnasium
import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from twosome.decision import Decision
from twosome.envs.checked import CheckedEnv, Step, env_seeds
from twosome.envs.history import EpisodePosition
from twosome.envs.losses import Losses
from twosome.envs.remote import EnvPool, RemoteEnv
from twosome.errors import EnvError
from twosome.policy.base import Policy, sample_at
from twosome.policy.uniform import Uniform

T = TypeVar("T")

EnvSource = Callable[[], gymnasium.Env[Any, Any]] | EnvPool
"""Makes one environment here, or opens one in a process of its own."""


@dataclass(frozen=True)
class Episode:
    """A finished episode.

    Attributes:
        discounted_return: sum of rewards, discounted per primitive step, as the paper logs it.
        length: primitive steps.
        decisions: decisions.
        success: whether the task was done.
        world: number of the environment among those of a run.
    """

    discounted_return: float
    length: int
    decisions: int
    success: bool
    world: int = 0


def episode_means(episodes: Collection[Episode]) -> dict[str, float | None]:
    """Means over episodes, as metrics name them; None where there is none."""
    names = {"return_mean": "discounted_return", "success_rate": "success", "length_mean": "length"}
    return {
        name: float(np.mean([getattr(episode, of) for episode in episodes])) if episodes else None
        for name, of in names.items()
    }


def entropy_share(policy: NDArray[np.float64], num_available: int) -> float:
    """Entropy of a policy over several actions, divided by that of a uniform choice among them."""
    positive = policy[policy > 0]
    return float(-(positive * np.log(positive)).sum() / np.log(num_available))


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

    def finish(self, success: bool, world: int = 0) -> Episode:
        """The episode counted so far."""
        return Episode(self.discounted_return, self.length, self.decisions, success, world)


@dataclass(frozen=True)
class Rollout:
    """T decisions in each of E environments, and what followed.

    ``decisions``, ``next_prompts`` and ``probabilities``, the policy at each decision, are lists of T rows of E. A next
    prompt is that of the state which the decision led to; where the environment terminated the episode nothing follows,
    and the decision's own prompt stands in, which nothing reads. ``vectors`` and ``next_vectors`` say the same in
    numbers, if the collector keeps them. See `estimate_advantages` for the arrays. ``episodes`` are those that ended;
    ``cut`` says after which decisions (t, e) one was lost, which is truncated there and none of them, with t = -1 for
    the last decision of the rollout before; ``num_lost`` also counts those that were lost before their first decision.
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
    vectors: list[list[NDArray[Any]]] = field(default_factory=list)
    next_vectors: list[list[NDArray[Any]]] = field(default_factory=list)
    cut: list[tuple[int, int]] = field(default_factory=list)
    num_lost: int = 0


def variety(rollout: Rollout) -> dict[str, float | int | None]:
    """What a rollout says of how much the policy tries, as metrics name it.

    ``distinct_decisions``; ``rewarded_decisions``: those with a reward above 0; ``entropy_share``: the policy's entropy
    as a share of the greatest, the logarithm of how many actions are available, averaged over the decisions that have
    more than one; None where none has.
    """
    policies = dict(zip(chain(*rollout.decisions), chain(*rollout.probabilities), strict=True))
    shares = {
        decision: entropy_share(row, len(decision.available))
        for decision, row in policies.items()
        if len(decision.available) > 1
    }
    met = [shares[decision] for row in rollout.decisions for decision in row if decision in shares]
    return {
        "distinct_decisions": len(policies),
        "rewarded_decisions": int((rollout.rewards > 0).sum()),
        "entropy_share": float(np.mean(met)) if met else None,
    }


class Collector:
    """Parallel environments, where they stand, and the running episodes.

    Environments in processes of their own work side by side; what is collected is the same.

    Args:
        make: makes or opens one environment. Of several, number i of the environments is made by number i modulo them.
        num_envs: how many there are in all.
        gamma: discount per primitive step for the episodes' returns; as many as there are makers.
        seed: each environment is reset with one derived from it.
        own: which of them are stepped here; the others belong to other processes. None: all.
        keep_vectors: keep in rollouts what the environments say in numbers.
        losses: counts the episodes that are lost; None: each error of an environment is raised at once, as it is.
    """

    def __init__(
        self,
        make: EnvSource | Sequence[EnvSource],
        num_envs: int,
        gamma: float | Sequence[float],
        seed: int | Sequence[int],
        own: range | None = None,
        *,
        keep_vectors: bool = False,
        losses: Losses | None = None,
    ) -> None:
        self.keep_vectors = keep_vectors
        self.num_envs = num_envs
        self.own = slice(0, num_envs) if own is None else slice(own.start, own.stop)
        sources = make if isinstance(make, Sequence) else [make]
        self.worlds = [i % len(sources) for i in range(num_envs)[self.own]]
        self._gammas = gamma if isinstance(gamma, Sequence) else [gamma]
        self.losses = losses
        self._losses_counted = 0
        self._asked_at: float | None = None
        self.envs: list[CheckedEnv | RemoteEnv] = []
        # Pools that share workers close together.
        self._pool = next((source for source in sources if isinstance(source, EnvPool)), None)
        try:
            for source in (sources[world] for world in self.worlds):
                self.envs.append(source.open() if isinstance(source, EnvPool) else CheckedEnv.made_by(source))
            for env in self.envs:
                env.wait_made()
            self._begin(seed)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Collector":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the environments that are stepped here."""
        if self._pool is not None:
            self._pool.close()
        else:
            for env in self.envs:
                env.close()

    def _begin(self, seed: int | Sequence[int]) -> None:
        seeds = env_seeds(seed, self.num_envs)[self.own]
        begun = [env.begin_reset(begin) for env, begin in zip(self.envs, seeds, strict=True)]
        self.counters = [EpisodeCounter() for _ in self.envs]
        self.current = [self._begun(i, decision) for i, decision in enumerate(begun)]

    # -- asking environments ---------------------------------------------------------------------------

    def is_stuck(self, patience_s: float) -> bool:
        """Whether an environment has kept everything waiting for so long."""
        return self._asked_at is not None and time.monotonic() - self._asked_at > patience_s

    def keep_lost_in(self, folder: Path) -> None:
        """Write down there what was played in episodes that are lost."""
        if self.losses is not None:
            self.losses.folder = folder

    @property
    def uncounted_losses(self) -> int:
        """Episodes that were lost and stand in no rollout yet."""
        return 0 if self.losses is None else self.losses.count - self._losses_counted

    def _wait_for(self, answer: Callable[[], T]) -> T:
        self._asked_at = time.monotonic()
        try:
            return answer()
        finally:
            self._asked_at = None

    def _begun(self, i: int, begin: Callable[[], Decision]) -> Decision:
        """The first decision of an episode; if it is lost before that, the first one of the next."""
        try:
            return self._wait_for(begin)
        except EnvError as error:
            return self._begin_anew(i, error)

    def _begin_anew(self, i: int, error: EnvError) -> Decision:
        """Note that an episode is lost, and restart its environment with its seed."""
        while True:
            if self.losses is None:
                raise error
            self.losses.note(self.envs[i], error, self.worlds[i])
            self.counters[i] = EpisodeCounter()
            try:
                return self._wait_for(partial(self._restart, self.envs[i]))
            except EnvError as another:
                error = another

    @staticmethod
    def _restart(env: CheckedEnv | RemoteEnv) -> Decision:
        env.restart()
        return env.reset(env.position.seed)

    def collect(self, policy: Policy, num_steps: int, rng: np.random.Generator) -> Rollout:
        """Let the policy act for ``num_steps`` decisions in each environment that is stepped here."""
        T, E = num_steps, len(self.envs)
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
            probabilities = policy.probabilities([env.observation for env in self.envs])
            # Drawn for all, so that the generator stands alike in every process.
            draws = rng.random(self.num_envs)[self.own]
            actions = [sample_at(row, draw) for row, draw in zip(probabilities, draws, strict=True)]
            rollout.decisions.append(list(self.current))
            rollout.probabilities.append(probabilities)
            rollout.actions[t] = actions
            rollout.logp[t] = [np.log(row[action]) for row, action in zip(probabilities, actions, strict=True)]
            rollout.next_prompts.append([decision.prompt for decision in self.current])
            if self.keep_vectors:
                rollout.vectors.append([np.array(env.observation.vector) for env in self.envs])
                rollout.next_vectors.append(list(rollout.vectors[-1]))
            steps = [env.begin_step(action, go_on=True) for env, action in zip(self.envs, actions, strict=True)]
            for i, step in enumerate(steps):
                self.current[i] = self._note(rollout, t, i, self._stepped(rollout, t, i, step, policy, draws[i]))
        lost = self.uncounted_losses
        self._losses_counted += lost
        return replace(rollout, num_lost=lost)

    def _stepped(self, rollout: Rollout, t: int, i: int, step: Callable[[], Step], policy: Policy, draw: float) -> Step:
        """What came of one environment's action, or of one in its place where the episode is lost."""
        attempt = 0
        while True:
            try:
                return self._wait_for(step)
            except EnvError as error:
                if self.counters[i].decisions > 0:
                    rollout.cut.append((t - 1, i))
                    rollout.truncated[t - 1, i] |= t > 0
                decision = self._begin_anew(i, error)
            row = policy.probabilities([self.envs[i].observation])[0]
            # Not of the generator of actions, which has to stand alike in every process.
            anew = np.random.default_rng([int(draw * 2**53), attempt]).random()
            action, attempt = sample_at(row, anew), attempt + 1
            rollout.decisions[t][i], rollout.next_prompts[t][i] = decision, decision.prompt
            rollout.probabilities[t][i], rollout.actions[t, i], rollout.logp[t, i] = row, action, np.log(row[action])
            if self.keep_vectors:
                rollout.vectors[t][i] = rollout.next_vectors[t][i] = np.array(self.envs[i].observation.vector)
            step = self.envs[i].begin_step(action, go_on=True)

    def _note(self, rollout: Rollout, t: int, i: int, step: Step) -> Decision:
        """Note what came of one environment's action, and return the next choice there."""
        if step.prompt is not None:
            rollout.next_prompts[t][i] = step.prompt
            if self.keep_vectors:
                rollout.next_vectors[t][i] = np.array(step.vector)
        rollout.rewards[t, i] = step.reward
        rollout.durations[t, i] = step.primitive_steps
        rollout.terminated[t, i] = step.terminated
        rollout.truncated[t, i] = step.truncated
        self.counters[i].add(step.reward, step.primitive_steps, self._gammas[self.worlds[i]])
        if step.decision is not None:
            return step.decision
        rollout.episodes.append(self.counters[i].finish(step.success, self.worlds[i]))
        self.counters[i] = EpisodeCounter()
        return self._begun(i, self.envs[i].reset)

    @property
    def can_restore(self) -> bool:
        """Whether every environment can save and restore its state, its wrappers included."""
        return all(env.can_restore for env in self.envs)

    def state(self) -> dict[str, Any]:
        """Where everything stepped here stands, as plain JSON. Environments that cannot say are left out."""
        return {
            "envs": [self._saved(i) for i in range(len(self.envs))] if self.can_restore else None,
            "elapsed": [env.elapsed for env in self.envs],
            "places": [asdict(env.position) for env in self.envs],
            "counters": [asdict(counter) for counter in self.counters],
        }

    def _saved(self, i: int) -> dict[str, Any]:
        """The state of an environment; if its episode is lost by that, of the next one."""
        while True:
            try:
                return self._wait_for(self.envs[i].get_state)
            except EnvError as error:
                self.current[i] = self._begin_anew(i, error)

    def state_anew(self) -> dict[str, Any]:
        """Of environments that cannot say where they stand, as `state`: all begin anew from it."""
        places = [asdict(EpisodePosition()) for _ in self.envs]
        counters = [asdict(EpisodeCounter()) for _ in self.envs]
        return {"envs": None, "elapsed": [[] for _ in self.envs], "places": places, "counters": counters}

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
        # Earlier versions did not save the places, which only error messages tell.
        places = [EpisodePosition(**place) for place in state.get("places", [{}] * self.num_envs)[self.own]]
        self.current = [
            env.set_state(saved, place, elapsed)
            for env, saved, place, elapsed in zip(
                self.envs, state["envs"][self.own], places, state["elapsed"][self.own], strict=True
            )
        ]
        self.counters = [EpisodeCounter(**counter) for counter in state["counters"][self.own]]
        return True


def random_decisions(make: EnvSource, seed: int, count: int = 256, losses: Losses | None = None) -> list[Decision]:
    """The distinct decisions that uniformly random play meets, in an environment made for it.

    Args:
        make: makes or opens the environment.
        seed: of a run. What is drawn here is drawn apart: none of the run's own environments and draws is the same.
        count: decisions to play.
        losses: as of `Collector`.
    """
    return list(dict.fromkeys(chain(*random_play(make, (seed, 0, 1), count, losses=losses).decisions)))


def random_episodes(
    make: EnvSource, gamma: float, seed: int, count: int, losses: Losses | None = None
) -> tuple[Episode, ...]:
    """The episodes that end within so many decisions of uniformly random play.

    Args:
        make: makes or opens the environment.
        gamma: discount per primitive step for their returns.
        seed: as of `random_decisions`, and apart from these too.
        count: decisions to play.
        losses: as of `Collector`.
    """
    return tuple(random_play(make, (seed, 0, 2), count, gamma, losses).episodes)


def random_play(
    make: EnvSource, apart: Sequence[int], count: int, gamma: float = 1.0, losses: Losses | None = None
) -> Rollout:
    """Decisions of uniformly random play in an environment made for it.

    Args:
        make: makes or opens the environment.
        apart: seed of its environment and its draws. Three numbers: resumed environments have the run's seed and the
            update.
        count: decisions to play.
        gamma: discount per primitive step for the episodes' returns.
        losses: as of `Collector`.
    """
    with Collector(make, 1, gamma, apart, losses=losses) as collector:
        return collector.collect(Uniform(), count, np.random.default_rng(apart))


_ARRAYS = ("actions", "logp", "rewards", "durations", "terminated", "truncated")
"""What a rollout has for each decision, in arrays."""
_ROWS = ("decisions", "next_prompts", "probabilities")
"""The same in lists."""


def of_world(rollout: Rollout, world: int, num_worlds: int) -> Rollout:
    """What was decided and done in one kind of environment alone."""
    columns = slice(world, None, num_worlds)
    arrays: dict[str, Any] = {name: getattr(rollout, name)[:, columns] for name in _ARRAYS}
    rows: dict[str, Any] = {name: [row[columns] for row in getattr(rollout, name)] for name in _ROWS}
    cut = [(t, i // num_worlds) for t, i in rollout.cut if i % num_worlds == world]
    return replace(rollout, **arrays, **rows, cut=cut)


def merge(rollouts: Sequence[Rollout]) -> Rollout:
    """One rollout out of those of several processes, in the order of their environments."""
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(rollout, name) for rollout in rollouts], axis=1) for name in _ARRAYS
    }
    # Each process lists the episodes that ended with it by step, then environment; so does the whole.
    owner = np.repeat(np.arange(len(rollouts)), [rollout.actions.shape[1] for rollout in rollouts])
    finished = [iter(rollout.episodes) for rollout in rollouts]
    first = np.cumsum([0] + [rollout.actions.shape[1] for rollout in rollouts])
    cut = [(t, int(first[k]) + i) for k, rollout in enumerate(rollouts) for t, i in rollout.cut]
    ends = arrays["terminated"] | arrays["truncated"]
    for t, i in cut:
        if t >= 0:
            ends[t, i] = False
    rows: dict[str, Any] = {
        name: [list(chain(*parts)) for parts in zip(*(getattr(rollout, name) for rollout in rollouts), strict=True)]
        for name in _ROWS
    }
    return Rollout(
        **rows,
        **arrays,
        episodes=[next(finished[owner[i]]) for _, i in np.argwhere(ends)],
        cut=cut,
        num_lost=sum(rollout.num_lost for rollout in rollouts),
    )


def merge_states(states: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The state of all environments out of those of several processes."""
    known = all(state["envs"] is not None for state in states)
    return {
        "envs": [env for state in states for env in state["envs"]] if known else None,
        "elapsed": [elapsed for state in states for elapsed in state["elapsed"]],
        "places": [place for state in states for place in state["places"]],
        "counters": [counter for state in states for counter in state["counters"]],
    }
