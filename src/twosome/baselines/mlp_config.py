"""Settings of PPO from scratch, apart from it so that they can be read and checked without torch."""

import math
from dataclasses import dataclass

from twosome.errors import ConfigError


@dataclass(frozen=True)
class MlpConfig:
    """Settings of PPO from scratch; the names are those of `TrainConfig`."""

    env: str
    """World to act in; its observations must have a "vector"."""
    total_steps: int
    """Budget in decisions, summed over the environments."""
    seed: int = 1
    """Seed of the networks, the worlds and the sampling."""
    learning_rate: float = 1e-3
    """Of Adam for both networks, annealed linearly to 0."""
    epochs: int = 4
    """Passes over each rollout."""
    num_envs: int = 4
    """Environments that are stepped side by side (E)."""
    rollout_steps: int = 32
    """Decisions in each environment between two updates (T)."""
    minibatches: int = 4
    """Optimizer steps in each pass."""
    hidden: int = 64
    """Width of the two hidden layers of each network."""
    clip: float = 0.2
    """How far the probability ratio, and the value, may move in an update."""
    entropy_coef: float = 0.01
    """Weight of the policy's entropy."""
    max_grad_norm: float = 0.5
    """Gradients longer than this are scaled down, policy and value apart."""
    gae_lambda: float = 0.95
    """Weight of later errors in an advantage, per decision."""
    advantage_std_floor: float = 0.1
    """Advantages are divided by their spread over the rollout, but by no less than this."""

    def __post_init__(self) -> None:
        for name in ("num_envs", "rollout_steps", "epochs", "minibatches", "hidden"):
            self._require(name, getattr(self, name) >= 1, "at least 1")
        for name in ("learning_rate", "clip", "max_grad_norm"):
            self._require(name, 0 < getattr(self, name) < math.inf, "greater than 0 and finite")
        for name in ("seed", "entropy_coef", "advantage_std_floor"):
            self._require(name, 0 <= getattr(self, name) < math.inf, "at least 0 and finite")
        self._require("gae_lambda", 0 <= self.gae_lambda <= 1, "between 0 and 1")
        batch = self.num_envs * self.rollout_steps
        self._require("total_steps", self.total_steps >= batch, f"at least one rollout of {batch} decisions")
        if batch % self.minibatches:
            raise ConfigError(
                f"a rollout of {batch} decisions must divide into minibatches = {self.minibatches} parts."
            )

    def _require(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            raise ConfigError(f"{name} is {getattr(self, name)!r}; expected {expected}.")
