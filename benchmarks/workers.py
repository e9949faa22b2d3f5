"""Decisions per second with environments in this process, and in one and two processes of their own.

    python -m benchmarks.workers
    python -m benchmarks.workers --computes    # on two cores with nothing else to do

Rollouts by the embedded model in four environments whose steps wait, or compute, for 0.3 s. Starting the processes is
not counted. The ways take turns, and a ratio is that of measurements which followed each other.
"""

import argparse
import os
import statistics
import time
from typing import Any

import numpy as np

import twosome
from benchmarks.pages.files import write
from twosome.envs import text
from twosome.envs.remote import EnvPool
from twosome.policy.lm_policy import LanguageModelPolicy
from twosome.report.numbers import Number
from twosome.rollout import Collector, EnvSource

NAME = "benchmarks.slow_env:bench/Slow-v0"
ENVS, WORKERS = 4, (0, 1, 2)


def decisions_per_second(policy: LanguageModelPolicy, kwargs: dict[str, Any], workers: int, steps: int) -> float:
    """Of one rollout."""
    policy.clear_cache()
    source: EnvSource = text.maker(NAME, kwargs, policy.fits)
    if workers:
        source = EnvPool(NAME, kwargs, policy.fits, workers)
    with Collector(source, ENVS, 0.99, seed=1) as collector:
        began = time.perf_counter()
        collector.collect(policy, steps, np.random.default_rng(1))
        return ENVS * steps / (time.perf_counter() - began)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=8, help="steps of each environment in a measurement")
    parser.add_argument("--repeats", type=int, default=3, help="measurements of each way")
    parser.add_argument("--computes", action="store_true", help="also measure an environment that computes")
    options = parser.parse_args()
    policy = LanguageModelPolicy(twosome.ActionScorer.from_pretrained("hearth"))
    numbers = []
    for computes in (False, True)[: 1 + options.computes]:
        world = "computes 0.3 s a step" if computes else "waits 0.3 s a step"
        rounds = [
            [decisions_per_second(policy, {"computes": computes}, workers, options.steps) for workers in WORKERS]
            for _ in range(options.repeats)
        ]
        for i, workers in enumerate(WORKERS):
            for what, found in (
                ("decisions per second", [row[i] for row in rounds]),
                ("times as fast", [row[i] / row[0] for row in rounds]),
            ):
                spread = (min(found), max(found))
                numbers.append(Number(what, world, str(workers), None, statistics.median(found), spread, len(found)))
        print(world, [[round(speed, 2) for speed in row] for row in rounds], flush=True)
    numbers.append(Number("load average", mean=os.getloadavg()[1]))
    write("workers", numbers)


if __name__ == "__main__":
    main()
