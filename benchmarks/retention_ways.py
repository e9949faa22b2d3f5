"""What keeps a model's language ability: a lower learning rate, no normalization, less training; and what it costs.

    python benchmarks/retention_ways.py
    python benchmarks/retention_ways.py --seeds 1 --worlds FoodPreparation

For each way and each seed: train with the default preset otherwise, measure 500 fresh episodes, and test language
ability on the tasks that ship with the package. Finished runs are not trained or tested again. Writes
benchmarks/results/retention-ways.json. Needs the extra `retention`.
"""

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from learning import EPISODES, SEEDS, finished_run, twosome, write_result

from twosome.bench.document import document
from twosome.report.curve import decisions_to
from twosome.runs import RunDirectory, read_json

WAYS = {
    "FoodPreparation": {
        "FoodPreparation": "",
        "FoodPreparation-lr0.0003": "--actor-lr 3e-4",
        "FoodPreparation-lr0.0001": "--actor-lr 1e-4",
        "FoodPreparation-none": "--normalization none",
    },
    "TomatoLettuceSalad": {
        "TomatoLettuceSalad-none": "--normalization none",
        "TomatoLettuceSalad-none-10000": "--normalization none --total-steps 10000",
    },
}
"""For each world the names of its runs, which are those of learning.py where that has them, and what is set."""


def retained(run: Path) -> dict[str, Any]:
    """What training cost a run in language ability over all tasks; tested now, unless it was before."""
    path = run / "retention.json"
    if not path.exists():
        twosome("retain", str(run), "--threads", "1")
    result = read_json(path)
    if result["limit"] is not None:
        raise SystemExit(f"{path} is of {result['limit']} items of each task, and not of all: remove it.")
    return {name: result["all"][name] for name in ("base", "trained", "drop", "drop_ci95", "lost", "won", "claim")}


def measure(world: str, name: str, seed: int, optimum: float) -> dict[str, Any]:
    """Train one way with one seed, or take the run that is there; what it earns and what it lost."""
    folder = finished_run(world, seed, 1, WAYS[world][name].split(), name)
    played = twosome("eval", str(folder), "--episodes", str(EPISODES), "--seed", "10000", "--threads", "1")
    curve = [(row["decisions"], row["return_mean"]) for row in RunDirectory.open(folder).read_metrics()]
    return {
        "world": world,
        "way": WAYS[world][name] or "default settings",
        "seed": seed,
        **{key: played[key] for key in ("return_mean", "success_rate")},
        "decisions_to_90_percent": decisions_to(curve, 0.9 * optimum),
        **retained(folder),
    }


def main() -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--worlds", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--parallel", type=int, default=2, help="runs side by side")
    options = parser.parse_args()
    optimum = {
        world: twosome("eval", "--env", world, "--policy", "planner", "--episodes", "1")["return_mean"]
        for world in options.worlds
    }
    ways = [
        (world, name, seed, optimum[world])
        for world in options.worlds
        for name in WAYS[world]
        for seed in options.seeds
    ]
    with ThreadPoolExecutor(options.parallel) as pool:
        rows = list(pool.map(lambda way: measure(*way), ways))
    command = " ".join(["python", "benchmarks/retention_ways.py", *sys.argv[1:]])
    result = document(command, {"optimum": optimum, "runs": rows})
    for row in rows:
        print(row)
    whole = (options.seeds, options.worlds) == (list(SEEDS), list(WAYS))
    write_result("retention-ways", result, whole=whole)


if __name__ == "__main__":
    main()
