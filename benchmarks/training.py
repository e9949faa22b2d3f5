"""Speed and memory of training on TomatoSalad with the embedded model: threads, and glibc's thresholds, side by side.

    python benchmarks/training.py

The variants run in turn, several times over, so that a busy machine is busy for all of them. The result goes to
benchmarks/results/training.json.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

from twosome.versions import hardware, versions

RESULT = Path(__file__).parent / "results" / "training.json"
VARIANTS = {
    "1 thread": (1, True),
    "2 threads": (2, True),
    "1 thread, glibc's own thresholds": (1, False),
    "2 threads, glibc's own thresholds": (2, False),
}
# The switch exists only here: a user has no reason to turn the thresholds off.
CODE = """
import sys
import twosome.ppo.train as loop
threads, keep, steps, output = int(sys.argv[1]), sys.argv[2] == "True", int(sys.argv[3]), sys.argv[4]
if not keep:
    loop.keep_freed_memory = lambda: False
from pathlib import Path
from twosome import TrainConfig
loop.train(TrainConfig(env="TomatoSalad", threads=threads, total_steps=steps, output=Path(output)))
"""


def measure(threads: int, keep: bool, steps: int) -> dict[str, Any]:
    """Train in a process of its own; decisions per second by the metrics, and peak memory by the system."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = [str(threads), str(keep), str(steps), f"{folder}/run"]
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", CODE, *arguments], env=environment, stderr=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"training with {arguments} failed")
        rows = [json.loads(line) for line in (Path(folder) / "run" / "metrics.jsonl").read_text().splitlines()]
    # The first updates compile kernels and fill caches; what follows is the loop as it goes on.
    steady = rows[5:]
    phases = {name: sum(row[name] for row in steady) for name in steady[0] if name.endswith("_s")}
    decisions = steady[-1]["decisions"] - rows[4]["decisions"]
    return {
        "decisions_per_second": decisions / sum(phases.values()),
        "share": {name.removesuffix("_s"): value / sum(phases.values()) for name, value in phases.items()},
        "peak_mib": usage.ru_maxrss / 1024,
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--steps", type=int, default=5120)
    options = parser.parse_args()
    measured: dict[str, list[dict[str, Any]]] = {name: [] for name in VARIANTS}
    load = os.getloadavg()
    for _ in range(options.repeats):
        for name, (threads, keep) in VARIANTS.items():
            measured[name].append(measure(threads, keep, options.steps))
    table = {
        name: {
            "decisions_per_second": round(statistics.median(run["decisions_per_second"] for run in runs)),
            "all": [round(run["decisions_per_second"]) for run in runs],
            "share": {
                phase: round(statistics.median(run["share"][phase] for run in runs), 3) for phase in runs[0]["share"]
            },
            "peak_mib": round(max(run["peak_mib"] for run in runs)),
        }
        for name, runs in measured.items()
    }
    result = {
        "command": " ".join(["python", "benchmarks/training.py", *sys.argv[1:]]),
        "date": date.today().isoformat(),
        "hardware": hardware(),
        "load_average_before": load,
        "versions": versions(),
        "decisions": options.steps,
        "variants": table,
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    for name, row in table.items():
        speed = f"{row['decisions_per_second']} decisions/s, in turn {row['all']}"
        print(f"{name}: {speed}, peak {row['peak_mib']} MiB, shares {row['share']}")


if __name__ == "__main__":
    main()
