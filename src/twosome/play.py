"""Playing episodes: a policy, an environment and seeds in, one transition after the other out.

Evaluation, films, imitation and `Agent.play` are made of it. Training goes on from update to update without a seed for
each episode; that is `twosome.rollout`.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from twosome.decision import Decision
from twosome.envs import text
from twosome.envs.checked import MAX_SEED, CheckedEnv, Fits, Step, limit_prompts
from twosome.envs.named import NamedEnv
from twosome.envs.remote import RemoteEnv
from twosome.errors import ConfigError, quote
from twosome.observation import Observation
from twosome.policy.base import Policy, checked_probabilities, sample
from twosome.rollout import Episode, EpisodeCounter

LONG = 10_000
"""Decisions after which it is said that an episode does not end."""

Choose = Callable[[Observation, NDArray[np.float64], np.random.Generator], int]
"""An action id, of an observation, the policy's probabilities there, and a generator to draw from."""


class EndlessEpisodeWarning(UserWarning):
    """An episode takes so long that it may never end."""


@dataclass(frozen=True)
class Transition:
    """A decision of a policy, and what it led to.

    Attributes:
        number: of the episode, counted from 0 in the order of the seeds.
        decision: prompt and phrases.
        probabilities: the policy's, one for each action id.
        action: the id that was chosen.
        reward: of the action.
        primitive_steps: that it took.
        earned: the episode's discounted return before it.
        picture: the environment before it, height x width x 3, if pictures are taken.
        episode: the whole episode, where this was its last action; else None.
    """

    number: int
    decision: Decision
    probabilities: NDArray[np.float64]
    action: int
    reward: float
    primitive_steps: int
    earned: float
    picture: NDArray[np.uint8] | None
    episode: Episode | None


def draw(_: Observation, probabilities: NDArray[np.float64], rng: np.random.Generator) -> int:
    """An action drawn from the policy."""
    return sample(probabilities, rng)


def most_probable(_: Observation, probabilities: NDArray[np.float64], __: np.random.Generator) -> int:
    """The policy's most probable action; of several, the one with the lowest id."""
    return int(np.argmax(probabilities))


def play(
    policy: Policy,
    env: text.EnvLike | NamedEnv,
    seeds: Sequence[int],
    *,
    env_kwargs: Mapping[str, Any] | None = None,
    gamma: float | None = None,
    choose: Choose = draw,
    rng: np.random.Generator | None = None,
    parallel: int = 1,
    pictures: bool = False,
) -> Iterator[Transition]:
    """Play an episode for each seed, to its end.

    Which episodes are played, and what happens in each, depends neither on how long others take nor on `parallel`, but
    for a language model's rounding in batches.

    Args:
        policy: who plays.
        env: a name, an environment, or what makes one; a `NamedEnv` also says in which processes.
        seeds: the environment is reset with the next one for each episode.
        env_kwargs: arguments of the environment, if it is given by its name.
        gamma: discount per primitive step for the returns; None: the environment's own.
        choose: how an action comes of the policy's probabilities.
        rng: what is drawn from in all episodes; None: each has a generator of its own, seeded by the first seed and
            the episode's number.
        parallel: how many episodes are under way side by side.
        pictures: let the environment draw itself before each action.

    Returns:
        Each action with what it led to, as it is carried out; those of one episode in their order.

    Raises:
        EnvError: the environment fails or breaks its contract.
        ConfigError: a seed is out of range, one environment is to play several episodes at once, or the policy
            returns no probabilities.
    """
    if len(seeds) and not 0 <= min(seeds) <= max(seeds) <= MAX_SEED:
        raise ConfigError(
            f"the seeds go from {quote(min(seeds))} to {quote(max(seeds))}; expected whole numbers from 0 to "
            f"{MAX_SEED}, as many environments take no others."
        )
    parallel = min(parallel, len(seeds))
    if parallel > 1 and isinstance(env, gymnasium.Env | CheckedEnv):
        raise ConfigError(
            f"parallel is {parallel}; expected 1, since one environment plays one episode at a time. Give its name, or "
            "a function that makes it."
        )
    return _play(policy, env, seeds, env_kwargs or {}, gamma, choose, rng, parallel, pictures)


def _play(
    policy: Policy,
    env: text.EnvLike | NamedEnv,
    seeds: Sequence[int],
    env_kwargs: Mapping[str, Any],
    gamma: float | None,
    choose: Choose,
    rng: np.random.Generator | None,
    parallel: int,
    pictures: bool,
) -> Iterator[Transition]:
    with ExitStack() as stack:
        fits = getattr(policy, "fits", None)
        envs: list[CheckedEnv | RemoteEnv]
        if isinstance(env, NamedEnv) and not env.workers:
            env_kwargs, env = env.kwargs, env.name
        if isinstance(env, NamedEnv):
            pool = stack.enter_context(env.pool(fits))
            envs = [pool.open() for _ in range(parallel)]
        else:
            here = [stack.enter_context(text.opened(env, **env_kwargs)) for _ in range(parallel)]
            for environment in here:
                stack.enter_context(_limited(environment, fits))
            envs = [*here]
        if envs:
            if gamma is None:
                gamma = text.require_gamma(envs[0].attribute("gamma", text.GAMMA), envs[0].name)
            yield from _steps(policy, envs, seeds, gamma, choose, rng, pictures)


@contextmanager
def _limited(env: CheckedEnv, fits: Fits | None) -> Iterator[None]:
    """Let the environment know what the policy can read, as long as the context lasts: it may be the caller's own."""
    environment: Any = env.env.unwrapped
    before = getattr(environment, "fits", None)
    if fits is not None:
        limit_prompts(environment, fits)
    try:
        yield
    finally:
        if hasattr(environment, "fits"):
            environment.fits = before


def _steps(
    policy: Policy,
    envs: Sequence[CheckedEnv | RemoteEnv],
    seeds: Sequence[int],
    gamma: float,
    choose: Choose,
    rng: np.random.Generator | None,
    pictures: bool,
) -> Iterator[Transition]:
    waiting = iter(range(len(seeds)))

    def next_episode(env: CheckedEnv | RemoteEnv) -> list[_Running]:
        """The next one, if one is left; in another process it begins meanwhile."""
        return [_Running.begin(env, number, seeds, rng) for number in islice(waiting, 1)]

    running = [episode for env in envs for episode in next_episode(env)]
    while running:
        observations = [episode.observe() for episode in running]
        rows = checked_probabilities(policy, observations)
        steps = [
            episode.begin_step(choose(observation, row, episode.rng), row, gamma, pictures)
            for episode, observation, row in zip(running, observations, rows, strict=True)
        ]
        following: list[_Running] = []
        for episode, step in zip(running, steps, strict=True):
            transition = step()
            yield transition
            following += [episode] if transition.episode is None else next_episode(episode.env)
        running = following


@dataclass
class _Running:
    """An episode under way."""

    env: CheckedEnv | RemoteEnv
    number: int
    rng: np.random.Generator
    counter: EpisodeCounter
    begun: Callable[[], Decision] | None

    @classmethod
    def begin(
        cls, env: CheckedEnv | RemoteEnv, number: int, seeds: Sequence[int], rng: np.random.Generator | None
    ) -> "_Running":
        """The episode of the seed with this number."""
        own = np.random.default_rng([seeds[0], number]) if rng is None else rng
        return cls(env, number, own, EpisodeCounter(), env.begin_reset(seeds[number]))

    def observe(self) -> Observation:
        """What there is to see now."""
        if self.begun is not None:
            self.begun()
            self.begun = None
        return self.env.observation

    def begin_step(
        self, action: int, probabilities: NDArray[np.float64], gamma: float, pictures: bool
    ) -> Callable[[], Transition]:
        """Carry out an action; what is returned waits for what comes of it."""
        picture = None
        if pictures:
            assert isinstance(self.env, CheckedEnv)
            picture = self.env.render()
        return partial(self._stepped, self.env.begin_step(action), action, probabilities, gamma, picture)

    def _stepped(
        self,
        answer: Callable[[], Step],
        action: int,
        probabilities: NDArray[np.float64],
        gamma: float,
        picture: NDArray[np.uint8] | None,
    ) -> Transition:
        earned, decision = self.counter.discounted_return, self.env.observation.decision
        step = answer()
        self.counter.add(step.reward, step.primitive_steps, gamma)
        if step.decision is not None and self.counter.decisions == LONG:
            warnings.warn(
                f"an episode of {self.env.name} has had {LONG:,} decisions and goes on. If it never ends, set a limit: "
                "--env-kwargs '{\"max_episode_steps\": 100}'",
                EndlessEpisodeWarning,
                stacklevel=4,
            )
        episode = self.counter.finish(step.success) if step.decision is None else None
        return Transition(
            self.number,
            decision,
            probabilities,
            action,
            step.reward,
            step.primitive_steps,
            earned,
            picture,
            episode,
        )
