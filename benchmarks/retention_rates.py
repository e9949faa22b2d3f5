"""What a lower learning rate saves of the model's language ability, and what it costs in learning. FoodPreparation.

    python benchmarks/retention_rates.py
    python benchmarks/retention_rates.py --seeds 1 --rates 3e-4    # quick

For each learning rate of the adapters and each seed: train with the default preset otherwise, measure 500 fresh
episodes, and test language ability on the tasks that ship with the package. Finished runs are not trained again.
Writes benchmarks/results/retention-rates.json. Needs the extra `retention`.
"""

import argparse
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any

from learning import EPISODES, ROOT, SEEDS, finished_run, twosome

from twosome.bench.document import document
from twosome.report.statistics import decisions_to
from twosome.runs import RunDirectory

WORLD = "FoodPreparation"
RATES = (1e-3, 3e-4, 1e-4)
RESULT = ROOT / "benchmarks" / "results" / "retention-rates.json"


def measure(rate: float, seed: int, optimum: float) -> dict[str, Any]:
    """Train with one rate and seed, or take the run that is there; what it earns and what it lost."""
    name = WORLD if rate == RATES[0] else f"{WORLD}-lr{rate:g}"
    folder = finished_run(WORLD, seed, 1, ["--actor-lr", f"{rate:g}"], name)
    played = twosome("eval", str(folder), "--episodes", str(EPISODES), "--seed", "10000", "--threads", "1")
    asked = twosome("retain", str(folder), "--threads", "1")["all"]
    curve = [(row["decisions"], row["return_mean"]) for row in RunDirectory.open(folder).read_metrics()]
    return {
        "rate": rate,
        "seed": seed,
        **{key: played[key] for key in ("return_mean", "success_rate")},
        "decisions_to_90_percent": decisions_to(curve, 0.9 * optimum),
        **{key: asked[key] for key in ("base", "trained", "drop", "drop_ci95", "claim")},
    }


def main() -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--rates", type=float, nargs="+", default=list(RATES))
    parser.add_argument("--parallel", type=int, default=2, help="runs side by side")
    options = parser.parse_args()
    optimum = twosome("eval", "--env", WORLD, "--policy", "planner", "--episodes", "1")["return_mean"]
    pairs = list(product(options.rates, options.seeds))
    with ThreadPoolExecutor(options.parallel) as pool:
        rows = list(pool.map(lambda pair: measure(*pair, optimum), pairs))
    command = " ".join(["python", "benchmarks/retention_rates.py", *sys.argv[1:]])
    content = {
        "world": WORLD,
        "optimum": optimum,
        "runs": rows,
    }
    result = document(command, content)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    for row in rows:
        print(row)


if __name__ == "__main__":
    main()
