"""What a second process brings: the same training by one rank and by two, with a 58M model, one thread each.

    python benchmarks/processes.py

Runs of one and of two ranks (torchrun, gloo) alternate; seconds are rank 0's for an update, by phase, the first
update left out. Two cores allow no more ranks. Writes benchmarks/results/processes.json.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from twosome.bench.document import document
from twosome.bench.models import SIZES, random_llama
from twosome.scoring import ActionScorer

RESULT = Path(__file__).parent / "results" / "processes.json"
SETTINGS = ["--env", "TomatoLettuceSalad", "--num-envs", "8", "--rollout-steps", "16", "--target-kl", "0", "--no-show"]
UPDATES = 3


def seconds(num_ranks: int, model: Path, output: Path) -> list[dict[str, float]]:
    """Seconds of each update but the first, by phase."""
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(num_ranks), "-m", "twosome"]
    steps = ["--total-steps", str(8 * 16 * UPDATES)]
    command = [sys.executable, *launch, "train", "--model", str(model), "--output", str(output), *SETTINGS, *steps]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    rows = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()][1:]
    return [{name: value for name, value in row.items() if name.endswith("_s")} for row in rows]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()
    found: dict[int, list[dict[str, float]]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        random_llama(SIZES["58M"]).save_pretrained(model)
        ActionScorer.from_pretrained("hearth").tokenizer.save_pretrained(model)
        for repeat in range(options.repeats):
            for num_ranks, updates in found.items():
                updates += seconds(num_ranks, model, Path(folder) / f"run-{repeat}-{num_ranks}")
    medians: dict[str, Any] = {
        str(num_ranks): {name: round(statistics.median(row[name] for row in rows), 3) for name in rows[0]}
        for num_ranks, rows in found.items()
    }
    totals = {num_ranks: statistics.median(sum(row.values()) for row in rows) for num_ranks, rows in found.items()}
    command = " ".join(["python", "benchmarks/processes.py", *sys.argv[1:]])
    content = {
        "seconds": medians,
        "update_s": {str(num_ranks): round(total, 3) for num_ranks, total in totals.items()},
        "speedup": round(totals[1] / totals[2], 2),
    }
    result = document(command, content)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
