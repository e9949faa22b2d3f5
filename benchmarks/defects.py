"""What each mistake of the paper's published code costs: none, each alone, all together, on `twosome.minimal`.

    python benchmarks/defects.py                                # what the page shows: 20 minutes of one core
    python benchmarks/defects.py --decisions 256 --seeds 1      # a look

The page is handed a packed scorer (`twosome.bench.page`), which computes the same sooner. Learning rates are annealed
over the whole budget of 10,000 decisions, wherever a run is left. Results are written as they come, and what is
there already is not run again; benchmarks/results/defects.json.
"""

import argparse
import itertools
import json
import sys
import time
from collections import deque
from typing import Any

import numpy as np
import torch
from tables import RESULTS, WORLDS, load, markdown, source
from twosome.report.statistics import decisions_to

from twosome import minimal
from twosome.bench.document import document
from twosome.bench.page import packed_score
from twosome.content import WINDOW
from twosome.rollout import EpisodeCounter

RESULT = RESULTS / "defects.json"
METHODS: dict[str, frozenset[str]] = {
    "none": frozenset(),
    **{mistake: frozenset({mistake}) for mistake in minimal.MISTAKES},
    "all": frozenset(minimal.MISTAKES),
}
Curve = list[tuple[int, float | None]]
"""After each update: decisions so far, and the mean return of the last `WINDOW` episodes."""


def learn(env: str, mistakes: frozenset[str], seed: int, decisions: int) -> Curve:
    """Train on the page with some mistakes, for the first so many decisions."""
    config = minimal.Config(env=f"twosome/{env}-v0", seed=seed, published=mistakes)
    counters = [EpisodeCounter() for _ in range(config.num_envs)]
    returns: deque[float] = deque(maxlen=WINDOW)
    curve: Curve = []
    updates = minimal.train(config, score=packed_score())
    for update in itertools.islice(updates, decisions // (config.num_envs * config.rollout_steps)):
        for number, step in enumerate(update["steps"]):
            place = number % config.num_envs
            counters[place].add(step.reward, step.duration, config.gamma)
            if step.terminated or step.truncated:
                returns.append(counters[place].discounted_return)
                counters[place] = EpisodeCounter()
        made = (len(curve) + 1) * config.num_envs * config.rollout_steps
        curve.append((made, round(float(np.mean(returns)), 4) if returns else None))
    return curve


def table() -> str:
    """A row for each method, a world in each pair of columns."""
    result = load("defects")
    envs = list(dict.fromkeys(row["env"] for row in result["rows"]))
    rows = []
    for method in METHODS:
        cells = []
        for env in envs:
            optimum = result["optimum"][env]
            curves = [row["curve"] for row in result["rows"] if (row["env"], row["method"]) == (env, method)]
            reached = sorted(decisions_to(curve, 0.9 * optimum) or np.inf for curve in curves)
            finals = sorted(curve[-1][1] for curve in curves)
            cells += [f"{np.median(finals):.3f} ({finals[0]:.3f} to {finals[-1]:.3f})", _median_and_range(reached)]
        rows.append([method, *cells])
    header = [head for env in envs for head in (f"`{env}`, return: median (range)", "to 90 %: median (range)")]
    seeds = ", ".join(sorted({str(row["seed"]) for row in result["rows"]}))
    optima = ", ".join(f"`{env}` {result['optimum'][env]:.3f}" for env in envs)
    note = f"The planner's return: {optima}. {source(result).removesuffix('.')}, seeds {seeds}."
    return f"{markdown(['mistake', *header], rows)}\n\n{note}"


def _median_and_range(reached: list[float]) -> str:
    middle, low, high = (
        "-" if np.isinf(value) else f"{value:,.0f}" for value in (np.median(reached), reached[0], reached[-1])
    )
    return f"{middle} ({low} to {high})"


def main() -> None:
    """Learn what is not there yet, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--envs", nargs="+", choices=WORLDS, default=["TomatoSalad", "FoodPreparation"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--decisions", type=int, default=2560, help="of each run; at most 10,000")
    options = parser.parse_args()
    torch.set_num_threads(1)
    command = " ".join(["python benchmarks/defects.py", *sys.argv[1:]])
    before: dict[str, Any] = json.loads(RESULT.read_text()) if RESULT.exists() else {"rows": []}
    rows = [row for row in before["rows"] if row["decisions"] == options.decisions]
    references = load("claim-defects")["worlds"]
    optimum = {env: references[f"{env}-v0"]["references"]["planner"]["return_mean"] for env in options.envs}
    done = {(row["env"], row["method"], row["seed"]) for row in rows}
    for seed, env, method in itertools.product(options.seeds, options.envs, METHODS):
        if (env, method, seed) in done:
            continue
        began = time.perf_counter()
        curve = learn(env, METHODS[method], seed, options.decisions)
        print(f"{env} {method} seed {seed}: {curve[-1][1]}, {time.perf_counter() - began:.0f} s", flush=True)
        rows.append({"env": env, "method": method, "seed": seed, "decisions": options.decisions, "curve": curve})
        content = document(command, {"optimum": optimum, "rows": rows})
        RESULT.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
