"""How many processes were started together, as far as it can be known before PyTorch is loaded."""

import os

from twosome.errors import ConfigError


def num_processes() -> int:
    """How many processes a launcher has started together; 1 without one.

    Raises:
        ConfigError: the environment variables make no sense.
    """
    size = os.environ.get("WORLD_SIZE", "1")
    if not size.isdigit() or (size != "1" and "RANK" not in os.environ):
        raise ConfigError(
            f"the environment variable WORLD_SIZE is {size!r} and RANK is {os.environ.get('RANK', 'not set')!r}; "
            "torchrun sets both. Start this with torchrun, or unset WORLD_SIZE to train alone."
        )
    return int(size)


def is_first() -> bool:
    """Whether this is the process that speaks for all: rank 0, or the only one."""
    return num_processes() == 1 or int(os.environ.get("RANK", "0")) == 0


def require_equal_shares(num_envs: int, num_ranks: int) -> None:
    """Check that the environments can be shared among the processes, or raise ConfigError."""
    if num_envs % num_ranks:
        raise ConfigError(
            f"--num-envs {num_envs} environments are the total over all processes, and {num_ranks} processes cannot "
            f"step equally many. Use a multiple of {num_ranks}, or another number of processes."
        )
