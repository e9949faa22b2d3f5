"""How much faster environments in two processes of their own are, in an environment that is named: by turns with one.

    python -m benchmarks.worker_turns --env ScienceWorld

Random play, so that the environment is the bottleneck. Both ways are open all the time and take turns of a few steps,
which a machine that does other work disturbs alike. Prints, and writes nothing.
"""

import argparse
import functools
import os
import statistics
import time

import numpy as np

from twosome.envs import text
from twosome.envs.remote import EnvPool
from twosome.policy.uniform import Uniform
from twosome.rollout import Collector

ENVS = 4


def decisions_per_second(collector: Collector, steps: int, seed: int) -> float:
    """Of one rollout."""
    began = time.perf_counter()
    collector.collect(Uniform(), steps, np.random.default_rng(seed))
    return ENVS * steps / (time.perf_counter() - began)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", required=True, help="the environment")
    parser.add_argument("--steps", type=int, default=4, help="steps of each environment in a turn")
    parser.add_argument("--turns", type=int, default=7, help="turns of each way")
    options = parser.parse_args()
    here, pool = functools.partial(text.make, options.env), EnvPool(options.env, {}, None, 2)
    ratios = []
    with Collector(here, ENVS, 0.99, seed=1) as one, Collector(pool, ENVS, 0.99, seed=1) as two:
        for turn in range(options.turns):
            slow, fast = (decisions_per_second(collector, options.steps, turn) for collector in (one, two))
            ratios.append(fast / slow)
            print(
                f"{slow:.2f} {fast:.2f} decisions/s, {ratios[-1]:.2f} times, load {os.getloadavg()[0]:.0f}", flush=True
            )
    print(f"median {statistics.median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}")


if __name__ == "__main__":
    main()
