"""PPO from scratch: two small networks on the symbolic observation, actions that are not offered masked out.

What the language model is compared with: the same worlds, the same offered actions, discounting, advantage estimates
and losses (those of `twosome.ppo`), but no words. Maskable PPO of sb3-contrib was considered and does not fit: it
discounts each decision alike, whereas here a macro-action that lasts k steps is discounted by ``gamma ** k``.

The observation travels as the text of a `Decision`, so that collecting is the one of `twosome.rollout`: the numbers
take the prompt's place.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from twosome.baselines.config import MlpConfig
from twosome.decision import Decision
from twosome.envs import text
from twosome.errors import ConfigError, WorldError
from twosome.policy.actor import sample
from twosome.ppo.gae import estimate_advantages, normalize_advantages
from twosome.ppo.loss import policy_loss, value_loss
from twosome.rollout import Collector, Rollout


class VectorPrompt(gymnasium.ObservationWrapper[dict[str, Any], np.int64, dict[str, Any]]):
    """A world whose prompt is its symbolic observation, as text: what a policy without language reads."""

    def observation(self, observation: dict[str, Any]) -> dict[str, Any]:
        """The observation with its numbers in the prompt's place; one without numbers stays as it is."""
        numbers = observation.get("vector") if isinstance(observation, dict) else None
        if not isinstance(numbers, np.ndarray):
            return observation  # the last one of an episode, or a fault, which `CheckedEnv` will name
        return {**observation, "prompt": _vector_text(observation)}


def symbolic(env: gymnasium.Env[Any, Any], decision: Decision) -> Decision:
    """The decision that an environment poses now, with its symbolic observation in the prompt's place."""
    world: Any = env.unwrapped
    if not hasattr(world, "observation"):
        raise WorldError(
            f"{env}: a policy that reads numbers asks env.unwrapped.observation() for them; add this method, which "
            "returns what reset and step returned last."
        )
    return Decision(_vector_text(world.observation()), decision.actions)


def _vector_text(observation: dict[str, Any]) -> str:
    """The symbolic observation in the form that `VectorReader` reads."""
    return json.dumps(observation["vector"].tolist())


class VectorReader:
    """Makes tensors of the observations that `VectorPrompt` and `symbolic` write, each number divided by its scale.

    Args:
        scale: what each number of the observation is divided by.
    """

    def __init__(self, scale: Float[np.ndarray, " S"]) -> None:
        self._scale = torch.from_numpy(scale)
        self._known: dict[str, Tensor] = {}

    @classmethod
    def for_world(cls, env: str, env_kwargs: dict[str, Any] | None = None) -> tuple["VectorReader", int, int]:
        """The reader for a world, the size of its symbolic observation and its number of action ids.

        Raises:
            ConfigError: the world's observations have no "vector".
            WorldError: there is no such world.
        """
        with text.make_checked(env, **(env_kwargs or {})) as world:
            space: Any = world.env.observation_space
            num_actions = world.num_actions
        box = space["vector"] if "vector" in space.spaces else None
        if not isinstance(box, gymnasium.spaces.Box) or len(box.shape) != 1:
            raise ConfigError(f'{env} has no symbolic observation: expected "vector" to be a flat Box, found {box}.')
        scale = np.where(np.isfinite(box.high) & (box.high > 0), box.high, 1).astype(np.float32)
        return cls(scale), len(scale), num_actions

    def __call__(self, prompts: Sequence[str]) -> Float[Tensor, "B S"]:
        """The scaled observations."""
        for prompt in prompts:
            if prompt not in self._known:
                self._known[prompt] = torch.tensor(json.loads(prompt), dtype=torch.float32) / self._scale
        return torch.stack([self._known[prompt] for prompt in prompts])


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

    def log_policy(self, decisions: Sequence[Decision]) -> Float[Tensor, "B A"]:
        """Log pi(action | observation) in nats, -inf where an action is not available. Carries gradients."""
        logits = self.actor(self.read([decision.prompt for decision in decisions]))
        available = torch.tensor([[bool(phrase) for phrase in decision.actions] for decision in decisions])
        return torch.log_softmax(logits.masked_fill(~available, -torch.inf), dim=1)

    @torch.no_grad()
    def probabilities(self, decisions: Sequence[Decision]) -> list[NDArray[np.float64]]:
        """One row for each decision; zero where an action is not available."""
        return list(self.log_policy(decisions).double().exp().numpy())

    def values(self, prompts: Sequence[str]) -> Float[Tensor, " B"]:
        """Value of each observation. Carries gradients."""
        values: Tensor = self.critic(self.read(prompts))
        return values[:, 0]

    def choose(
        self,
        envs: Sequence[gymnasium.Env[Any, Any]],
        decisions: Sequence[Decision],
        rngs: Sequence[np.random.Generator],
    ) -> list[int]:
        """Draw an action in each environment, as a `Player` of `twosome.evaluate` does."""
        rows = self.probabilities([symbolic(env, decision) for env, decision in zip(envs, decisions, strict=True)])
        return [sample(row, rng) for row, rng in zip(rows, rngs, strict=True)]


Report = Callable[[int, Rollout], None]


def train_mlp(config: MlpConfig, report: Report | None = None) -> MlpPolicy:
    """Train from scratch.

    Args:
        config: the settings.
        report: is told after each update how many decisions were made so far, and is handed its rollout.

    Returns:
        The policy after the last update.

    Raises:
        ConfigError: the world's observations have no "vector".
        WorldError: there is no such world.
    """
    policy = MlpPolicy(*VectorReader.for_world(config.env), config.hidden, config.seed)
    gamma = text.gamma_of(config.env, {})
    rng = np.random.default_rng(config.seed)
    optimizers = [
        torch.optim.Adam(network.parameters(), lr=config.learning_rate, eps=1e-5)
        for network in (policy.actor, policy.critic)
    ]
    with Collector(lambda: VectorPrompt(text.make(config.env)), config.num_envs, gamma, config.seed) as collector:
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
    decisions = [decision for row in rollout.decisions for decision in row]
    prompts = [decision.prompt for decision in decisions]
    with torch.no_grad():
        old_values = policy.values(prompts)
        next_values = policy.values([prompt for row in rollout.next_prompts for prompt in row])
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
            part = [decisions[i] for i in index]
            loss = policy_loss(
                policy.log_policy(part),
                actions[index],
                old_logp[index],
                advantages[index],
                clip=config.clip,
                entropy_coef=config.entropy_coef,
            ).loss
            values = policy.values([decision.prompt for decision in part])
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
