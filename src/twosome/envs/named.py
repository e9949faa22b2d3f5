"""An environment by its name, and the processes in which it is stepped: what commands, runs and suites speak of."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import gymnasium

from twosome.envs import text
from twosome.envs.checked import Fits
from twosome.envs.remote import EnvPool


@dataclass(frozen=True)
class NamedEnv:
    """An environment that can be made as often as one likes.

    Attributes:
        name: see `text.make`.
        kwargs: its keyword arguments.
        workers: how many of its processes work at a time; 0: it is stepped in this process.
        timeout_s: with workers, how long a step or a reset may take; None: as long as it likes.
    """

    name: str
    kwargs: dict[str, Any] = field(default_factory=dict)
    workers: int = 0
    timeout_s: float | None = None

    def pool(self, fits: Fits | None = None, beside: EnvPool | None = None) -> EnvPool:
        """What opens it in processes of their own, with workers.

        Args:
            fits: whether the model's context holds what an environment tells; None: no model is to read it.
            beside: of other environments, with which it shares the workers.

        Raises:
            EnvError: it cannot be handed to another process.
        """
        return EnvPool(self.name, self.kwargs, fits, self.workers, self.timeout_s, beside)

    def source(self, fits: Fits | None = None) -> Callable[[], gymnasium.Env[Any, Any]] | EnvPool:
        """What makes it here or opens it in a process; as `pool`."""
        if self.workers:
            return self.pool(fits)
        if fits is None:
            return partial(text.make, self.name, **self.kwargs)
        return text.maker(self.name, self.kwargs, fits)

    def require_made(self) -> None:
        """Make it once, and close it.

        Raises:
            TwosomeError: it cannot be made.
        """
        if self.workers:
            with self.pool() as pool:
                pool.open().wait_made()
        else:
            text.make_checked(self.name, **self.kwargs).close()

    def has_planner(self) -> bool:
        """Whether it has a planner, which looks into it and so plays in this process."""
        with text.make_checked(self.name, **self.kwargs) as env:
            return env.attribute("planner", None) is not None

    def gamma(self) -> float:
        """Discount per primitive step that it wants its return reported with; see `text.gamma_of`."""
        if not self.workers:
            return text.gamma_of(self.name, self.kwargs)
        with self.pool() as pool:
            env = pool.open()
            return text.require_gamma(env.attribute("gamma", text.GAMMA), env.name)
