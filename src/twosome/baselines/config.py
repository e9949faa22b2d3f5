"""Settings of the baselines that learn, apart from them so that they can be read and checked without torch."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol, runtime_checkable

from twosome.config import Decisions
from twosome.errors import ConfigError
from twosome.setting_types import (
    Count,
    DType,
    NotNegative,
    Positive,
    Range,
    Seed,
    Share,
    SmallCount,
    check_settings,
    refusal,
)


@dataclass(frozen=True)
class BaselineConfig:
    """What all baselines have; the names are those of `TrainConfig`."""

    env: str
    """Environment to act in."""
    total_steps: Decisions
    """Budget in decisions, summed over the environments."""
    seed: Seed = 1
    """Seed of what is learned, the environments and the sampling."""
    num_envs: SmallCount = 4
    """Environments that are stepped side by side (E)."""
    rollout_steps: Count = 32
    """Decisions in each environment between two updates (T)."""

    def __post_init__(self) -> None:
        check_settings(self)
        if self.total_steps < self.batch_size:
            raise refusal("total_steps", self.total_steps, f"at least one rollout of {self.batch_size} decisions")

    @property
    def batch_size(self) -> int:
        """Decisions between two updates."""
        return self.num_envs * self.rollout_steps

    @property
    def num_updates(self) -> int:
        """Whole rollouts in the budget."""
        return self.total_steps // self.batch_size


@dataclass(frozen=True)
class _PpoConfig(BaselineConfig):
    """What the baselines that learn by PPO have."""

    minibatches: Count = 4
    """Optimizer steps in each pass over a rollout, policy and value apart."""
    clip: Positive = 0.2
    """How far a probability ratio, and the value, may move in an update."""
    entropy_coef: NotNegative = 0.01
    """Weight of the policy's entropy; of a text's, summed over its tokens."""
    max_grad_norm: Positive = 0.5
    """Gradients longer than this are scaled down, policy and value apart."""
    gae_lambda: Share = 0.95
    """Weight of later errors in an advantage, per decision."""
    advantage_std_floor: NotNegative = 0.1
    """Advantages are divided by their spread over the rollout, but by no less than this."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch_size % self.minibatches:
            raise ConfigError(
                f"a rollout of {self.batch_size} decisions must divide into minibatches = {self.minibatches} parts."
            )


@dataclass(frozen=True)
class MlpConfig(_PpoConfig):
    """Settings of PPO from scratch; the environment's observations must have a "vector"."""

    learning_rate: Positive = 1e-3
    """Of Adam for both networks, annealed linearly to 0."""
    epochs: SmallCount = 4
    """Passes over each rollout."""
    hidden: SmallCount = 64
    """Width of the two hidden layers of each network."""


@dataclass(frozen=True)
class SayCanConfig(MlpConfig):
    """Settings of SayCan.

    Those that it shares with PPO from scratch say how the play is made that its affordance learns from. Random play
    reads the seed, the budget, ``num_envs`` and ``rollout_steps`` of them; ``hidden`` is the affordance's width, too.
    """

    affordance_from: Literal["random", "ppo"] = "random"
    """Whose play the affordance learns from, over the whole budget: uniformly random, or PPO's from scratch while it
    learns."""
    model: str = "hearth"
    """Language model, which is not trained: the embedded "hearth", a Hugging Face id, or a folder."""
    normalization: Literal["none", "token", "word", "byte", "pmi"] = "word"
    """What an action's joint log-probability is divided by (pmi: what is subtracted from it)."""
    greedy: bool = False
    """Take the best action, as in Ahn et al. (2022), in place of drawing one."""


@dataclass(frozen=True)
class GenerateConfig(_PpoConfig):
    """Settings of a model that writes its actions. Those that `TrainConfig` has, too, are its defaults for hearth."""

    model: str = "hearth"
    """Language model: the embedded "hearth", a Hugging Face id, or a folder."""
    dtype: DType = "auto"
    """Of the model's weights; auto: float32 on a CPU. Adapters and the critic are always in float32."""
    list_actions: bool = False
    """Say in the prompt what can be done now, before its unfinished sentence."""
    max_tokens: Annotated[int, Range(1, 1000)] = 12
    """Most tokens that are written for an action."""
    invalid_penalty: NotNegative = 0.0
    """What a step costs, beside its time, in which nothing valid was written."""
    actor_lr: Positive = 1e-3
    """Of the adapters (AdamW without weight decay), annealed linearly to 0."""
    critic_lr: Positive = 1e-3
    """Of the value head (Adam), annealed linearly to 0."""
    epochs: SmallCount = 1
    """Passes over each rollout."""
    value_coef: NotNegative = 0.5
    """Weight of the value loss."""
    target_kl: NotNegative = 0.02
    """An approximate KL beyond this drops the minibatch and ends the policy update of the rollout; 0: never."""


@runtime_checkable
class Record(Protocol):
    """Takes in how learning goes; what it is told becomes the run's metrics."""

    def __call__(self, decisions: int, rollout: Any, **numbers: float) -> None:
        """After an update, with its rollout, and numbers of its own that become metrics, too."""
        ...

    def summary(self, decisions: int, episodes: int) -> None:
        """After all of the learning at once, where nobody played meanwhile."""
        ...
