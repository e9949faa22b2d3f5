"""What each mistake of the paper's published code costs: none, each alone, all together, on `twosome.minimal`.

    python -m benchmarks.defects                                # what the page shows: 20 minutes of one core
    python -m benchmarks.defects --decisions 256 --seeds 1      # a look

The page is handed a packed scorer (`twosome.bench.page`), which computes the same sooner. Learning rates are annealed
over the whole budget of 10,000 decisions, wherever a run is left. Results are written as they come, and what is
there already is not run again; benchmarks/results/defects-page.json.
"""

import argparse
import itertools
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from benchmarks.pages.files import RESULTS, WORLDS, load, write
from twosome import minimal
from twosome.bench.page import packed_score
from twosome.checkpoint_schema import WINDOW
from twosome.envs import text
from twosome.report.curve import decisions_to
from twosome.report.numbers import Number
from twosome.rollout import EpisodeCounter

METHODS: dict[str, frozenset[str]] = {
    "none": frozenset(),
    **{mistake: frozenset({mistake}) for mistake in minimal.MISTAKES},
    "all": frozenset(minimal.MISTAKES),
}
Curve = list[tuple[int, float | None]]
"""After each update: decisions so far, and the mean return of the last `WINDOW` episodes."""


def learn(env: str, mistakes: frozenset[str], seed: int, decisions: int) -> Curve:
    """Train on the page with some mistakes, for the first so many decisions."""
    name = f"twosome/{env}-v0"
    config = minimal.Config(env=name, seed=seed, gamma=text.gamma_of(name, {}), published=mistakes)
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


def numbers(env: str, method: str, seed: int, decisions: int, curve: Curve, optimum: float) -> Iterator[Number]:
    """A run in the schema of the result files."""
    where: dict[str, Any] = {"world": env, "method": method, "seed": seed}
    yield Number("return of the last 100 episodes", mean=curve[-1][1], **where)
    yield Number("decisions to 90 %", mean=decisions_to(curve, 0.9 * optimum), **where)
    yield Number("decisions", mean=decisions, **where)


def main() -> None:
    """Learn what is not there yet, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--envs", nargs="+", choices=WORLDS, default=["TomatoSalad", "FoodPreparation"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--decisions", type=int, default=2560, help="of each run; at most 10,000")
    options = parser.parse_args()
    torch.set_num_threads(1)
    known = list(load("defects-page").numbers) if (RESULTS / "defects-page.json").exists() else []
    planned = (row for row in load("methods").numbers if (row.what, row.method) == ("return", "planner"))
    optimum = {row.world: row.mean for row in planned}
    for seed, env, method in itertools.product(options.seeds, options.envs, METHODS):
        where = (env, method, seed, options.decisions)
        if where in {(row.world, row.method, row.seed, row.mean) for row in known if row.what == "decisions"}:
            continue
        began = time.perf_counter()
        curve = learn(env, METHODS[method], seed, options.decisions)
        print(f"{env} {method} seed {seed}: {curve[-1][1]}, {time.perf_counter() - began:.0f} s", flush=True)
        known += numbers(*where, curve, optimum[env] or np.inf)
        write("defects-page", known)


if __name__ == "__main__":
    main()
