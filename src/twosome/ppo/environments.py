"""The environments of a run, in the processes that its settings say."""

from twosome.config import TrainConfig
from twosome.envs.losses import Losses
from twosome.envs.named import NamedEnv


def env_of(config: TrainConfig) -> NamedEnv:
    """The environment of a run."""
    return NamedEnv(config.env, config.env_kwargs, config.env_workers, config.step_timeout)


def losses_of(config: TrainConfig) -> Losses:
    """What counts the episodes of a run that are lost."""
    return Losses(config.env, config.env_kwargs, config.lost_limit)


def gamma_of(config: TrainConfig) -> float:
    """Discount per primitive step of a run: that of its settings, or the environment's own.

    Raises:
        EnvError: the environment cannot be made, or says no such number.
    """
    return env_of(config).gamma() if config.gamma is None else config.gamma
