"""SayCan: what the language model finds sensible, times what experience says will succeed; the model is not trained.

The affordance of an action is the probability that the episode succeeds after it, discounted by the primitive steps
that success still takes, as a value function of a reward of 1 on success would say. It is a small network on the
symbolic observation, fitted to finished episodes of another policy: uniformly random play, or PPO from scratch while
it learns.

Source: Ahn et al., 2022 (arXiv:2204.01691). Departures: the affordance is fitted by regression on whole episodes
instead of temporal differences, since the episodes are short; and actions may be drawn instead of taking the best.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from twosome.baselines.config import Record, SayCanConfig
from twosome.baselines.ppo_mlp import VectorReader, tanh_network, train_mlp
from twosome.envs import text
from twosome.errors import ConfigError
from twosome.observation import Observation
from twosome.policy.base import Policy
from twosome.policy.lm_policy import LanguageModelPolicy
from twosome.policy.uniform import Uniform
from twosome.rollout import Collector, Rollout
from twosome.scoring import ActionScorer


@dataclass
class Experience:
    """What was done in finished episodes, and how well it ended."""

    gamma: float  # discount per primitive step
    vectors: list[NDArray[Any]] = field(default_factory=list)  # symbolic observations
    actions: list[int] = field(default_factory=list)  # the action taken at each
    targets: list[float] = field(default_factory=list)
    """``gamma ** (primitive steps until success)``, 0 where the episode failed."""
    episodes: int = 0  # number of finished episodes
    _open: dict[int, list[tuple[NDArray[Any], int, int]]] = field(default_factory=dict)

    @property
    def decisions(self) -> int:
        """How many were met, also in episodes that did not finish."""
        return len(self.targets) + sum(map(len, self._open.values()))

    def add(self, rollout: Rollout) -> None:
        """Take in a rollout; rollouts must come in order, since episodes go on from one to the next."""
        T, E = rollout.actions.shape
        ended = iter(rollout.episodes)
        for t in range(T):
            for e in range(E):
                step = (rollout.vectors[t][e], int(rollout.actions[t, e]), int(rollout.durations[t, e]))
                self._open.setdefault(e, []).append(step)
                if rollout.terminated[t, e] or rollout.truncated[t, e]:
                    self._close(self._open.pop(e), success=next(ended).success)

    def _close(self, steps: list[tuple[NDArray[Any], int, int]], *, success: bool) -> None:
        self.episodes += 1
        target = float(success)
        for vector, action, duration in reversed(steps):
            target *= self.gamma**duration
            self.vectors.append(vector)
            self.actions.append(action)
            self.targets.append(target)


def random_experience(
    env: str, total_steps: int, seed: int, num_envs: int = 4, env_kwargs: dict[str, Any] | None = None
) -> Experience:
    """What uniformly random play over the valid actions meets in ``total_steps`` decisions."""
    kwargs = env_kwargs or {}
    gamma = text.gamma_of(env, kwargs)
    experience = Experience(gamma)
    with Collector(lambda: text.make(env, **kwargs), num_envs, gamma, seed, keep_vectors=True) as collector:
        experience.add(collector.collect(Uniform(), total_steps // num_envs, np.random.default_rng(seed)))
    return experience


def experience_of(config: SayCanConfig) -> Experience:
    """What is met in the play that the settings name, over the whole rollouts in their budget."""
    if config.affordance_from == "random":
        decisions = config.num_updates * config.batch_size
        return random_experience(config.env, decisions, config.seed, config.num_envs)
    met = Experience(text.gamma_of(config.env, {}))
    train_mlp(config, lambda _, rollout: met.add(rollout))
    return met


class Affordance:
    """Discounted probability of success of each action, from the symbolic observation.

    Args:
        env: the environment.
        hidden: width of the two hidden layers.
        seed: of weights and minibatches.
        env_kwargs: the environment's keyword arguments.
    """

    def __init__(self, env: str, hidden: int = 64, seed: int = 1, env_kwargs: dict[str, Any] | None = None) -> None:
        self._read, num_inputs, num_actions = VectorReader.for_env(env, env_kwargs)
        self._seed = seed
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.network = tanh_network(num_inputs, hidden, num_actions, last_gain=0.01)

    def fit(
        self, experience: Experience, *, epochs: int = 20, batch_size: int = 256, learning_rate: float = 1e-3
    ) -> None:
        """Minimize the cross-entropy between affordance and target of the actions that were taken.

        Raises:
            ConfigError: no episode ended in the experience.
        """
        if not experience.vectors:
            raise ConfigError("no episode has ended, so there is nothing to learn an affordance from: collect more.")
        inputs, actions = self._read(experience.vectors), torch.tensor(experience.actions)
        targets = torch.tensor(experience.targets)
        rng = np.random.default_rng(self._seed)
        optimizer = torch.optim.Adam(self.network.parameters(), lr=learning_rate)
        for _ in range(epochs):
            order = torch.from_numpy(rng.permutation(len(targets)))
            for index in torch.split(order, batch_size):
                logits = self.network(inputs[index]).gather(1, actions[index, None])[:, 0]
                optimizer.zero_grad()
                torch.autograd.backward(F.binary_cross_entropy_with_logits(logits, targets[index]))
                optimizer.step()

    @torch.no_grad()
    def log_values(self, observations: Sequence[Observation]) -> Float[Tensor, "B A"]:
        """Log of each action's affordance."""
        return F.logsigmoid(self.network(self._read([observation.vector for observation in observations])))


@dataclass(frozen=True)
class SayCan:
    """The language model's policy times the affordance, among the available actions."""

    model: Policy  # the untrained language model's policy
    affordance: Affordance  # fitted

    def probabilities(self, observations: Sequence[Observation]) -> list[NDArray[np.float64]]:
        """One row for each observation; zero where an action is not available."""
        said = self.model.probabilities(observations)
        can = self.affordance.log_values(observations).double().numpy()
        return [_product(row, logs) for row, logs in zip(said, can, strict=True)]


def _product(said: NDArray[np.float64], log_can: NDArray[np.float64]) -> NDArray[np.float64]:
    """Both, as a distribution."""
    # Relative to the best available action, so that affordances near zero do not vanish.
    available = said > 0
    product = np.where(available, said * np.exp(log_can - log_can[available].max()), 0.0)
    return np.asarray(product / product.sum())


def train_saycan(config: SayCanConfig, record: Record) -> SayCan:
    """The untrained model with an affordance learned as the settings say; SayCan itself has not played yet."""
    actor = LanguageModelPolicy(ActionScorer.from_pretrained(config.model), config.normalization)
    experience = experience_of(config)
    affordance = Affordance(config.env, config.hidden, config.seed)
    affordance.fit(experience)
    record.summary(config.num_updates * config.batch_size, experience.episodes)
    return SayCan(actor, affordance)
