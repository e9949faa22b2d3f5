"""Pictures of how the language model and PPO from scratch learn the four tasks, from the result files of both.

    python benchmarks/learning_curves.py    # after learning.py, with and without normalization, and ppo_mlp.py

Writes docs/images/learning-WORLD.png.
"""

import argparse
from pathlib import Path
from typing import Any

from tables import IMAGES, WORLDS, load

from twosome.report.chart import curves_png
from twosome.report.collect import Run
from twosome.report.curve import FROM_DECISIONS, MIN_EPISODES


def run_of(world: str, method: str, seed: dict[str, Any]) -> Run:
    """A run as a report knows it, from what a result file keeps of its curve: means that are worth reading."""
    metrics = [
        {"decisions": at, "return_mean": mean, "success_rate": rate, "episodes": MIN_EPISODES}
        for at, mean, rate in seed["curve"]
        if at >= FROM_DECISIONS and mean is not None
    ]
    config = {"seed": seed["seed"], "num_envs": 1, "rollout_steps": 1, "total_steps": metrics[-1]["decisions"]}
    return Run(Path(world), world, method, config, metrics, None, None, {})


def main() -> None:
    """Draw the four pictures."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    scratch = load("ppo-mlp")["worlds"]
    for world in WORLDS:
        word, none = load(f"learning-{world}"), load(f"learning-{world}-none")
        of_method = {"word": word["seeds"], "none": none["seeds"], "PPO from scratch": scratch[world]["seeds"]}
        runs = {name: [run_of(world, name, seed) for seed in seeds] for name, seeds in of_method.items()}
        levels = {"planner": word["optimum"], "random": word["random"]["return_mean"]}
        (IMAGES / f"learning-{world}.png").write_bytes(curves_png(runs, levels, world))


if __name__ == "__main__":
    main()
