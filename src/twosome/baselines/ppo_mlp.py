"""PPO from scratch: two small networks on the symbolic observation, invalid actions masked out.

What the language model is compared with: the same environments, the same valid actions, discounting, advantage
estimates and losses (those of `twosome.ppo`), but no words. Maskable PPO of sb3-contrib was considered and does not
fit: it discounts each decision alike, whereas here a macro-action that lasts k steps is discounted by ``gamma ** k``.
"""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import gymnasium
import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from twosome.baselines.config import MlpConfig
from twosome.envs import text
from twosome.errors import ConfigError, EnvError
from twosome.observation import Observation
from twosome.ppo.gae import estimate_advantages, normalize_advantages
from twosome.ppo.loss import policy_loss, value_loss
from twosome.rollout import Collector, Rollout


class VectorReader:
    """Makes tensors of what observations say in numbers, each number divided by its scale.

    Args:
        scale: what each number of an observation is divided by.
    """

    def __init__(self, scale: Float[np.ndarray, " S"]) -> None:
        self._scale = torch.from_numpy(scale)

    @classmethod
    def for_env(cls, env: text.EnvLike, env_kwargs: dict[str, Any] | None = None) -> tuple["VectorReader", int, int]:
        """The reader for an environment, the size of its symbolic observation and its number of action ids.

        Raises:
            ConfigError: the environment's observations have no "vector", or the number of its actions changes.
            EnvError: there is no such environment.
        """
        with text.opened(env, **(env_kwargs or {})) as environment:
            space: Any = environment.env.observation_space
            num_actions, name = environment.num_actions, environment.name
        if num_actions is None:
            raise ConfigError(
                f"the number of actions of {name} changes, and a network on numbers has one output for each action id: "
                "expected an environment with the action space Discrete(n). Let a language model act here, which "
                "scores phrases, or compare with --policy random."
            )
        box = space["vector"] if "vector" in space.spaces else None
        if not isinstance(box, gymnasium.spaces.Box) or len(box.shape) != 1:
            raise ConfigError(f'{name} has no symbolic observation: expected "vector" to be a flat Box, found {box}.')
        scale = np.where(np.isfinite(box.high) & (box.high > 0), box.high, 1).astype(np.float32)
        return cls(scale), len(scale), num_actions

    def __call__(self, vectors: Sequence[NDArray[Any] | None]) -> Float[Tensor, "B S"]:
        """The scaled observations."""
        expected = tuple(self._scale.shape)
        for vector in vectors:
            if vector is None or vector.shape != expected:
                found = "none" if vector is None else f"an array of shape {vector.shape}"
                raise EnvError(
                    f'this policy reads the "vector" of an observation, expected an array of shape {expected}, found '
                    f"{found}. Let it play in the environment that it was trained in."
                )
        return torch.from_numpy(np.stack(vectors).astype(np.float32)) / self._scale  # type: ignore[arg-type]


class MlpPolicy:
    """A policy and a value on the symbolic observation, two networks with two hidden layers of tanh each.

    Args:
        read: makes tensors of the observations.
        num_inputs: numbers in an observation.
        num_actions: action ids.
        hidden: width of the hidden layers.
        seed: of the weights, which are orthogonal as is usual for PPO.
    """

    def __init__(self, read: VectorReader, num_inputs: int, num_actions: int, hidden: int, seed: int) -> None:
        self.read = read
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.actor = tanh_network(num_inputs, hidden, num_actions, last_gain=0.01)
            self.critic = tanh_network(num_inputs, hidden, 1, last_gain=1.0)

    def log_policy(self, observations: Sequence[Observation]) -> Float[Tensor, "B A"]:
        """Log pi(action | observation) in nats, -inf where an action is not available. Carries gradients."""
        logits = self.actor(self.read([observation.vector for observation in observations]))
        available = torch.tensor([[bool(phrase) for phrase in observation.actions] for observation in observations])
        return torch.log_softmax(logits.masked_fill(~available, -torch.inf), dim=1)

    @torch.no_grad()
    def probabilities(self, observations: Sequence[Observation]) -> list[NDArray[np.float64]]:
        """One row for each observation; zero where an action is not available."""
        return list(self.log_policy(observations).double().exp().numpy())

    def values(self, vectors: Sequence[NDArray[Any] | None]) -> Float[Tensor, " B"]:
        """Value of each observation, from its numbers. Carries gradients."""
        values: Tensor = self.critic(self.read(vectors))
        return values[:, 0]


Report = Callable[[int, Rollout], None]


def train_mlp(config: MlpConfig, report: Report | None = None) -> MlpPolicy:
    """Train from scratch.

    Args:
        config: the settings.
        report: is told after each update how many decisions were made so far, and is handed its rollout.

    Returns:
        The policy after the last update.

    Raises:
        ConfigError: the environment's observations have no "vector".
        EnvError: there is no such environment.
    """
    policy = MlpPolicy(*VectorReader.for_env(config.env), config.hidden, config.seed)
    gamma = text.gamma_of(config.env, {})
    rng = np.random.default_rng(config.seed)
    optimizers = [
        torch.optim.Adam(network.parameters(), lr=config.learning_rate, eps=1e-5)
        for network in (policy.actor, policy.critic)
    ]
    with Collector(lambda: text.make(config.env), config.num_envs, gamma, config.seed, keep_vectors=True) as collector:
        for update in range(config.num_updates):
            for optimizer in optimizers:
                optimizer.param_groups[0]["lr"] = config.learning_rate * (1 - update / config.num_updates)
            rollout = collector.collect(policy, config.rollout_steps, rng)
            _improve(policy, optimizers, rollout, config, gamma, rng)
            if report is not None:
                report((update + 1) * config.batch_size, rollout)
    return policy


def _improve(
    policy: MlpPolicy,
    optimizers: Sequence[torch.optim.Optimizer],
    rollout: Rollout,
    config: MlpConfig,
    gamma: float,
    rng: np.random.Generator,
) -> None:
    T, E = rollout.actions.shape
    vectors = list(chain(*rollout.vectors))
    observations = [
        Observation(decision, vector) for decision, vector in zip(chain(*rollout.decisions), vectors, strict=True)
    ]
    with torch.no_grad():
        old_values = policy.values(vectors)
        next_values = policy.values(list(chain(*rollout.next_vectors)))
    estimates = estimate_advantages(
        torch.from_numpy(rollout.rewards),
        torch.from_numpy(rollout.durations),
        old_values.view(T, E),
        next_values.view(T, E),
        torch.from_numpy(rollout.terminated),
        torch.from_numpy(rollout.truncated),
        gamma=gamma,
        gae_lambda=config.gae_lambda,
    )
    advantages = normalize_advantages(estimates.advantages, config.advantage_std_floor).flatten()
    actions, old_logp = torch.from_numpy(rollout.actions).flatten(), torch.from_numpy(rollout.logp).flatten()
    returns = estimates.returns.flatten()
    for _ in range(config.epochs):
        for index in np.split(rng.permutation(T * E), config.minibatches):
            loss = policy_loss(
                policy.log_policy([observations[i] for i in index]),
                actions[index],
                old_logp[index],
                advantages[index],
                clip=config.clip,
                entropy_coef=config.entropy_coef,
            ).loss
            values = policy.values([vectors[i] for i in index])
            error = value_loss(values, old_values[index], returns[index], clip=config.clip)
            # The networks share nothing, so one backward pass gives each its own gradient.
            torch.autograd.backward([loss, error])
            for optimizer, network in zip(optimizers, (policy.actor, policy.critic), strict=True):
                torch.nn.utils.clip_grad_norm_(network.parameters(), config.max_grad_norm)
                optimizer.step()
                optimizer.zero_grad()


def tanh_network(num_inputs: int, hidden: int, num_outputs: int, last_gain: float) -> nn.Sequential:
    """Two hidden layers of tanh, orthogonal weights; ``last_gain`` scales those of the output."""
    layers = [nn.Linear(num_inputs, hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, num_outputs)]
    for layer, gain in zip(layers, (2**0.5, 2**0.5, last_gain), strict=True):
        nn.init.orthogonal_(layer.weight, gain)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(layers[0], nn.Tanh(), layers[1], nn.Tanh(), layers[2])
