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

import gymnasium
import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from twosome.baselines.config import SayCanConfig
from twosome.baselines.ppo_mlp import VectorPrompt, VectorReader, symbolic, tanh_network, train_mlp
from twosome.decision import Decision
from twosome.envs import text
from twosome.errors import ConfigError
from twosome.policy.actor import sample
from twosome.policy.uniform import Uniform
from twosome.rollout import Collector, Policy, Rollout


@dataclass
class Experience:
    """What was done in finished episodes, and how well it ended.

    Attributes:
        gamma: discount per primitive step.
        prompts: symbolic observations, as `VectorPrompt` writes them.
        actions: the action taken at each.
        targets: ``gamma ** (primitive steps until success)``, 0 where the episode failed.
        episodes: number of finished episodes.
    """

    gamma: float
    prompts: list[str] = field(default_factory=list)
    actions: list[int] = field(default_factory=list)
    targets: list[float] = field(default_factory=list)
    episodes: int = 0
    _open: dict[int, list[tuple[str, int, int]]] = field(default_factory=dict)

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
                step = (rollout.decisions[t][e].prompt, int(rollout.actions[t, e]), int(rollout.durations[t, e]))
                self._open.setdefault(e, []).append(step)
                if rollout.terminated[t, e] or rollout.truncated[t, e]:
                    self._close(self._open.pop(e), success=next(ended).success)

    def _close(self, steps: list[tuple[str, int, int]], *, success: bool) -> None:
        self.episodes += 1
        target = float(success)
        for prompt, action, duration in reversed(steps):
            target *= self.gamma**duration
            self.prompts.append(prompt)
            self.actions.append(action)
            self.targets.append(target)


def random_experience(
    env: str, total_steps: int, seed: int, num_envs: int = 4, env_kwargs: dict[str, Any] | None = None
) -> Experience:
    """What uniformly random play over the offered actions meets in ``total_steps`` decisions."""
    kwargs = env_kwargs or {}
    gamma = text.gamma_of(env, kwargs)
    experience = Experience(gamma)
    with Collector(lambda: VectorPrompt(text.make(env, **kwargs)), num_envs, gamma, seed) as collector:
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
        env: the world.
        hidden: width of the two hidden layers.
        seed: of weights and minibatches.
        env_kwargs: the world's keyword arguments.
    """

    def __init__(self, env: str, hidden: int = 64, seed: int = 1, env_kwargs: dict[str, Any] | None = None) -> None:
        self._read, num_inputs, num_actions = VectorReader.for_world(env, env_kwargs)
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
        if not experience.prompts:
            raise ConfigError("no episode has ended, so there is nothing to learn an affordance from: collect more.")
        inputs, actions = self._read(experience.prompts), torch.tensor(experience.actions)
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
    def log_values(self, decisions: Sequence[Decision]) -> Float[Tensor, "B A"]:
        """Log of each action's affordance; the prompts are symbolic observations."""
        return F.logsigmoid(self.network(self._read([decision.prompt for decision in decisions])))


@dataclass(frozen=True)
class SayCan:
    """Plays by the language model's policy times the affordance, among the offered actions.

    Attributes:
        model: the untrained language model's policy.
        affordance: fitted.
        greedy: take the best action, as SayCan does, instead of drawing.
    """

    model: Policy
    affordance: Affordance
    greedy: bool = False

    def choose(
        self,
        envs: Sequence[gymnasium.Env[Any, Any]],
        decisions: Sequence[Decision],
        rngs: Sequence[np.random.Generator],
    ) -> list[int]:
        """One action id for each environment."""
        said = self.model.probabilities(decisions)
        seen = [symbolic(env, decision) for env, decision in zip(envs, decisions, strict=True)]
        can = self.affordance.log_values(seen).double().numpy()
        return [self._pick(p, logs, rng) for p, logs, rng in zip(said, can, rngs, strict=True)]

    def _pick(self, said: NDArray[np.float64], log_can: NDArray[np.float64], rng: np.random.Generator) -> int:
        # Relative to the best offered action, so that affordances near zero do not vanish.
        offered = said > 0
        product = np.where(offered, said * np.exp(log_can - log_can[offered].max()), 0.0)
        return int(np.argmax(product)) if self.greedy else sample(product / product.sum(), rng)
