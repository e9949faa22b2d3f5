"""The environments of a run, in the processes that its settings say."""

from functools import partial

from twosome.config import TrainConfig
from twosome.envs import text
from twosome.envs.checked import Fits
from twosome.envs.losses import Losses
from twosome.envs.remote import EnvPool
from twosome.rollout import EnvSource


def env_source(config: TrainConfig, fits: Fits | None = None) -> EnvSource:
    """What makes or opens the environments of a run.

    Args:
        config: the settings.
        fits: whether the model's context holds what an environment tells; None: no model is to read it.

    Raises:
        EnvError: the environment cannot be handed to another process.
    """
    if config.env_workers:
        return EnvPool(config.env, config.env_kwargs, fits, config.env_workers, config.step_timeout)
    if fits is None:
        return partial(text.make, config.env, **config.env_kwargs)
    return text.maker(config.env, config.env_kwargs, fits)


def losses_of(config: TrainConfig) -> Losses:
    """What counts the episodes of a run that are lost."""
    return Losses(config.env, config.env_kwargs, config.lost_limit)


def gamma_of(config: TrainConfig) -> float:
    """Discount per primitive step of a run: that of its settings, or the environment's own.

    Raises:
        EnvError: the environment cannot be made, or says no such number.
    """
    if config.gamma is not None:
        return config.gamma
    source = env_source(config)
    if not isinstance(source, EnvPool):
        return text.gamma_of(config.env, config.env_kwargs)
    with source as pool:
        env = pool.open()
        return text.require_gamma(env.attribute("gamma", text.GAMMA), env.name)
