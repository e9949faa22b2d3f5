"""Train with the default preset on seeds 1 to 5 and measure each final policy over fresh episodes.

    python benchmarks/learning.py TomatoSalad
    python benchmarks/learning.py TomatoSalad --name TomatoSalad-none --normalization none

Runs go to runs/benchmark/, the result to benchmarks/results/learning-NAME.json, where NAME is the environment's unless
given. Finished seeds are not run again.
"""

import argparse
import json
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tables import RESULTS, ROOT

from twosome.bench.document import document
from twosome.cli.train import parse_train
from twosome.config import TrainConfig
from twosome.envs import text
from twosome.experiment.state import first_difference
from twosome.report.curve import decisions_to
from twosome.runs import RunDirectory

RUNS = ROOT / "runs" / "benchmark"
SEEDS = (1, 2, 3, 4, 5)
EPISODES = 500


def twosome(*arguments: str) -> dict[str, Any]:
    """Run a command with --json and give back its document."""
    command = [sys.executable, "-m", "twosome", *arguments, "--json"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{answer.stderr}")
    document: dict[str, Any] = json.loads(answer.stdout)
    return document


def finished_run(env: str, seed: int, threads: int, extra: list[str], name: str | None = None) -> Path:
    """Train one seed, or take the run that is there; its folder, named after `name` or else the world."""
    path = RUNS / f"{name or env}-{seed}"
    flags = ["--env", text.resolve(env), "--seed", str(seed), "--threads", str(threads), *extra]
    if (path / "config.json").exists():
        _require_same_settings(path, parse_train(["--env", env, *flags]).config)
        twosome("train", "--resume", str(path))
    else:
        twosome("train", *flags, "--output", str(path))
    return path


def _require_same_settings(path: Path, config: TrainConfig) -> None:
    if other := first_difference(path, config):
        name, was, now = other
        raise SystemExit(f"{path} was made with {name} = {was!r}, not {now!r}. Move it away first.")


def write_result(name: str, result: dict[str, Any], *, whole: bool) -> None:
    """Write a result file to benchmarks/results; one of less than the whole to runs/benchmark, to replace none."""
    path = (RESULTS if whole else RUNS) / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"written to {path.relative_to(ROOT)}", file=sys.stderr)


def train(env: str, seed: int, threads: int, extra: list[str], name: str | None = None) -> dict[str, Any]:
    """Train one seed, or take the run that is there; measure the last checkpoint."""
    path = finished_run(env, seed, threads, extra, name)
    metrics = RunDirectory.open(path).read_metrics()
    measured = twosome("eval", str(path), "--episodes", str(EPISODES), "--seed", "10000", "--threads", "1")
    greedy = twosome("eval", str(path), "--episodes", str(EPISODES), "--seed", "10000", "--greedy", "--threads", "1")
    phases = {name: sum(row.get(name, 0.0) for row in metrics) for name in metrics[-1] if name.endswith("_s")}
    return {
        "seed": seed,
        "decisions": metrics[-1]["decisions"],
        "return_mean": measured["return_mean"],
        "return_ci95": measured["return_ci95"],
        "success_rate": measured["success_rate"],
        "length_mean": measured["length_mean"],
        "greedy_return_mean": greedy["return_mean"],
        "greedy_success_rate": greedy["success_rate"],
        "seconds": {name.removesuffix("_s"): round(value, 1) for name, value in phases.items()},
        "decisions_per_second": round(metrics[-1]["decisions"] / sum(phases.values())),
        "distinct_prompts": metrics[-1]["distinct_prompts"],
        "curve": [[row["decisions"], row["return_mean"], row["success_rate"]] for row in metrics],
    }


def main() -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("env")
    parser.add_argument("--parallel", type=int, default=2, help="runs side by side")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of each run")
    parser.add_argument("--name", default=None, help="of result file and runs; by default the environment's")
    parser.add_argument("--normalization", default="word")
    options, extra = parser.parse_known_args()

    gamma = text.make(options.env).unwrapped.gamma  # type: ignore[attr-defined]
    optimum = twosome("eval", "--env", options.env, "--policy", "planner", "--episodes", "1")["return_mean"]
    random = twosome("eval", "--env", options.env, "--policy", "random", "--episodes", str(EPISODES))
    ways = ["--normalization", options.normalization]
    untrained = twosome("eval", "--env", options.env, "--model", "hearth", "--episodes", str(EPISODES), *ways)
    extra += ways
    with ThreadPoolExecutor(options.parallel) as pool:
        seeds = list(pool.map(lambda seed: train(options.env, seed, options.threads, extra, options.name), SEEDS))
    for seed in seeds:
        seed["decisions_to_90_percent"] = decisions_to([row[:2] for row in seed["curve"]], 0.9 * optimum)
        seed["curve"] = seed["curve"][:: max(1, len(seed["curve"]) // 100)]
    reached = [seed["decisions_to_90_percent"] or float("inf") for seed in seeds]
    command = " ".join(["python", "benchmarks/learning.py", *sys.argv[1:]])
    content = {
        "env": options.env,
        "gamma": gamma,
        "episodes": EPISODES,
        "optimum": optimum,
        "random": {name: random[name] for name in ("return_mean", "return_ci95", "success_rate")},
        "untrained": {name: untrained[name] for name in ("return_mean", "return_ci95", "success_rate")},
        "median_return": statistics.median(seed["return_mean"] for seed in seeds),
        "median_decisions_to_90_percent": None if (middle := statistics.median(reached)) == float("inf") else middle,
        "seeds": seeds,
    }
    result = document(command, content)
    for seed in seeds:
        shown = ("seed", "return_mean", "success_rate", "decisions_to_90_percent", "decisions_per_second")
        print({name: seed[name] for name in shown})
    print(f"median return {result['median_return']:.4f}, optimum {optimum:.4f}")
    write_result(f"learning-{options.name or options.env}", result, whole=options.name is not None or extra == ways)


if __name__ == "__main__":
    main()
