"""Steps per second of the environments, text and mask included, on one core, in seconds of CPU time.

    python -m benchmarks.worlds

"Cold" is the first `--steps` steps of a process with empty caches, "warm" the next ones. Actions are drawn
beforehand, uniformly over all ids, so that drawing them costs nothing. Steps are decisions: macro-actions where an
environment has them. Each variant runs through `gymnasium.make` in a process of its own.
"""

import argparse
import json
import subprocess
import sys
import time
from typing import Any

import numpy as np
from gymnasium import spaces

from benchmarks.pages.files import write
from twosome.envs import text
from twosome.report.numbers import Number

VARIANTS: tuple[tuple[str, dict[str, Any]], ...] = (
    *(("TomatoSalad", {"layout": layout}) for layout in "ABC"),
    *(("TomatoLettuceSalad", {"layout": layout}) for layout in "ABC"),
    ("TomatoSalad", {"actions": "primitive"}),
    ("TomatoLettuceSalad", {"actions": "primitive"}),
    *((world.removeprefix("twosome/").removesuffix("-v0"), {}) for world in text.env_ids() if "Salad" not in world),
    ("Entertainment", {"backend": "virtualhome"}),
)


def steps_per_second(env: Any, actions: list[int]) -> float:
    """Play the actions, with a reset after each episode; returns steps per CPU second, resets included."""
    began = time.process_time()
    env.reset(seed=0)
    for action in actions:
        _, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            env.reset()
    return len(actions) / (time.process_time() - began)


def measure(name: str, kwargs: dict[str, Any], num_steps: int) -> dict[str, Any]:
    """Both numbers for one variant; the caches of this process must be empty."""
    env = text.make(name, **kwargs)
    assert isinstance(env.action_space, spaces.Discrete)
    actions = np.random.default_rng(0).integers(env.action_space.n, size=2 * num_steps).tolist()
    cold = steps_per_second(env, actions[:num_steps])
    warm = steps_per_second(env, actions[num_steps:])
    return {"env": name, "kwargs": kwargs, "steps": num_steps, "cold": round(cold), "warm": round(warm)}


def measure_apart(index: int, num_steps: int) -> dict[str, Any]:
    """`measure` in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.worlds", "--only", str(index), "--steps", str(num_steps)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return dict(json.loads(output))


def main() -> None:
    """Measure every variant, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20_000, help="steps of each measurement")
    parser.add_argument("--only", type=int, help="measure only the variant with this number, in this process")
    options = parser.parse_args()
    if options.only is not None:
        name, kwargs = VARIANTS[options.only]
        print(json.dumps(measure(name, kwargs, options.steps)))
        return
    numbers = []
    for index, (name, kwargs) in enumerate(VARIANTS):
        row = measure_apart(index, options.steps)
        world = f"`{name}`" + "".join(f", {key} {value}" for key, value in kwargs.items())
        numbers += [Number("steps per second", world, way, mean=row[way], n=row["steps"]) for way in ("cold", "warm")]
        print(f"{world:<45} {row['cold']:>12,} {row['warm']:>12,}", flush=True)
    write("worlds", numbers)


if __name__ == "__main__":
    main()
