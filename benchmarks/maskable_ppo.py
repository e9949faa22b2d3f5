"""PPO with a mask of valid actions as people find it, MaskablePPO of sb3-contrib, on the symbolic observation.

    pip install sb3-contrib
    python -m benchmarks.maskable_ppo

Nothing is tuned: its defaults, with the environment's discount per decision. An episode's return is discounted per
primitive step, as everywhere here, and taken over the last 100 episodes of training.
"""

import argparse
from collections import deque
from typing import Any

import gymnasium
import numpy as np
import torch

from benchmarks.pages.files import write
from benchmarks.pages.selection import Selection
from twosome.envs import text
from twosome.report.numbers import Number

WINDOW = 100
BUDGET = {"TomatoSalad": 40_000, "TomatoLettuceSalad": 60_000, "FoodPreparation": 40_000, "Entertainment": 40_000}


class Vector(gymnasium.Wrapper[Any, Any, Any, Any]):
    """The symbolic part of the observation, and how the episodes went."""

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        self.observation_space = env.observation_space["vector"]
        self.gamma: float = env.unwrapped.gamma
        self.returns: deque[float] = deque(maxlen=WINDOW)
        self.successes: deque[bool] = deque(maxlen=WINDOW)
        self.decisions = 0
        self.curve: list[float] = []  # after each decision the mean return; NaN before the window is full

    def action_masks(self) -> Any:
        """Which actions are valid: 1."""
        return self.env.unwrapped.action_masks().astype(bool)  # type: ignore[attr-defined]

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        observation, info = super().reset(**kwargs)
        self.sum, self.discount = 0.0, 1.0
        return observation["vector"], info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Take a decision."""
        observation, reward, terminated, truncated, info = super().step(int(action))
        self.sum += self.discount * float(reward)
        self.discount *= self.gamma ** info["primitive_steps"]
        if terminated or truncated:
            self.returns.append(self.sum)
            self.successes.append(info["success"])
        self.curve.append(float(np.mean(self.returns)) if len(self.returns) == WINDOW else np.nan)
        return observation["vector"], float(reward), terminated, truncated, info


def main() -> None:
    """Train, print and write."""
    from sb3_contrib import MaskablePPO

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--envs", nargs="+", choices=BUDGET, default=list(BUDGET))
    options = parser.parse_args()
    torch.set_num_threads(1)
    numbers = []
    for name in options.envs:
        (planner,) = Selection(["learning"]).find(what="return", world=name, method="planner")
        assert planner.mean is not None
        for seed in range(1, options.seeds + 1):
            env = Vector(text.make(name))
            MaskablePPO("MlpPolicy", env, gamma=env.gamma, seed=seed).learn(BUDGET[name])
            reached = np.flatnonzero(np.array(env.curve) >= 0.9 * planner.mean)
            first = int(reached[0]) + 1 if len(reached) else None
            print(name, seed, env.curve[-1], np.mean(env.successes), first, flush=True)
            for what, value in (("return", env.curve[-1]), ("success", np.mean(env.successes))):
                numbers.append(Number(what, name, "maskable-ppo", seed, float(value)))
            numbers.append(Number("decisions to 90 %", name, "maskable-ppo", seed, first))
        write("maskable-ppo", numbers, threads=1)


if __name__ == "__main__":
    main()
