"""The environments of a run, in the processes that its settings say."""

from twosome.config import TrainConfig
from twosome.envs.checked import Fits
from twosome.envs.losses import Losses
from twosome.envs.named import NamedEnv
from twosome.rollout import EnvSource


def envs_of(config: TrainConfig) -> tuple[NamedEnv, ...]:
    """The environments of a run."""
    return tuple(NamedEnv(env, config.env_kwargs, config.env_workers, config.step_timeout) for env in config.envs)


def sources_of(config: TrainConfig, fits: Fits) -> list[EnvSource]:
    """What makes each of them here, or opens it in a process, of which so many work at a time in all."""
    first, *others = envs_of(config)
    if not config.env_workers:
        return [env.source(fits) for env in (first, *others)]
    pool = first.pool(fits)
    return [pool, *(env.pool(fits, beside=pool) for env in others)]


def losses_of(config: TrainConfig, envs: tuple[str, ...]) -> Losses:
    """What counts the episodes that are lost in some of the environments of a run."""
    return Losses(envs, config.env_kwargs, config.lost_limit)


def gammas_of(config: TrainConfig) -> tuple[float, ...]:
    """Discount per primitive step in each environment of a run: that of its settings, or the environment's own.

    Raises:
        EnvError: an environment cannot be made, or says no such number.
    """
    return tuple(env.gamma() if config.gamma is None else config.gamma for env in envs_of(config))
