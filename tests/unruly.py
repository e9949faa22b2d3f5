"""An environment that fails when it is told to, in every way in which a process can."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import gymnasium

from tests.environments import Counting

FAULTS = ("raise", "exit", "kill", "hang")


def fail(fault: str) -> None:
    if fault == "raise":
        raise RuntimeError("the server is gone")
    if fault == "exit":
        os._exit(3)
    if fault == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    while True:
        time.sleep(0.05)


class Unruly(Counting):
    """`Counting` that fails in the call number ``at`` of a method, counted over all episodes since it was made.

    Args:
        fault: one of `FAULTS`.
        method: "reset", "step", "get_state" or "close".
        at: number of the call, from 1. Making the environment resets it once.
        once: a file that is made when it fails, with the number of its process; it fails no more where there is one.
            Empty: it always fails.
        only_seed: fail only in an environment that was reset with this seed.
    """

    def __init__(self, fault: str, method: str = "step", at: int = 3, once: str = "", only_seed: int | None = None):
        super().__init__(limit=4)
        self.fault, self.method, self.at, self.once, self.only_seed = fault, method, at, once, only_seed
        self.calls = 0
        self.last_seed: int | None = None

    def _called(self, method: str) -> None:
        if method != self.method or (self.only_seed is not None and self.last_seed != self.only_seed):
            return
        self.calls += 1
        if self.calls != self.at or (self.once and Path(self.once).exists()):
            return
        if self.once:
            Path(self.once).write_text(str(os.getpid()))
        fail(self.fault)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        self.last_seed = self.last_seed if seed is None else seed
        self._called("reset")
        return super().reset(seed=seed)

    def step(self, action: int):
        self._called("step")
        return super().step(action)

    def get_state(self) -> dict[str, Any]:
        self._called("get_state")
        return super().get_state()

    def close(self) -> None:
        self._called("close")


gymnasium.register("twosome-tests/Unruly-v0", Unruly)
