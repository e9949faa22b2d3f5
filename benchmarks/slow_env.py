"""An environment whose steps take their time; without PyTorch, as its processes import this module."""

import time
from typing import Any

import gymnasium
import numpy as np

import twosome


class Slow(twosome.TextEnv):
    """A corridor in which each step takes its time."""

    goal = "You want to reach the end of the corridor."

    def __init__(self, seconds: float = 0.3, *, computes: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seconds, self.computes = seconds, computes

    def begin(self, rng: np.random.Generator, split: str) -> twosome.Turn:
        """At one of its doors."""
        self.door = int(rng.integers(100))
        return self.look()

    def act(self, action: str) -> twosome.Turn:
        """Walk, slowly."""
        if self.computes:
            began = time.process_time()
            while time.process_time() - began < self.seconds:
                pass
        else:
            time.sleep(self.seconds)
        self.door += 1 if action == "walk on" else -1
        return self.look()

    def look(self) -> twosome.Turn:
        """Where the agent is."""
        return twosome.Turn(f"You stand at door {self.door}.", ["walk on", "walk back"])


gymnasium.register("bench/Slow-v0", Slow)
