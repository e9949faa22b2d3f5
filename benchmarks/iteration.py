"""How fast a whole training iteration is, against the method in plain lines, `twosome.minimal`.

    python -m benchmarks.iteration

Both collect, estimate, improve the critic and improve the policy with the same model, environment and seed, an
iteration of ours and one of the page's in turn; the page passes every action of every decision through the model by
itself, and remembers nothing. The policy's early stop is off for both, so that both do all their minibatches. With the
58M model an iteration of the page takes many minutes, so its rollouts have 4 x 8 decisions.

Each variant runs in a process of its own. The result, with the shares of the phases of ours, goes to
benchmarks/results/iteration.json.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.pages.files import write
from twosome.bench.iteration import compare_iterations, loss_differences
from twosome.bench.models import SIZES, random_llama
from twosome.bench.phases import phases
from twosome.config import TrainConfig
from twosome.ppo.train import Trainer
from twosome.report.numbers import Number
from twosome.scoring import ActionScorer

VARIANTS: tuple[dict[str, Any], ...] = (
    {"model": "hearth", "env": "TomatoSalad", "threads": 1, "iterations": 5},
    {"model": "hearth", "env": "TomatoLettuceSalad", "threads": 1, "iterations": 4},
    {"model": "58M", "env": "TomatoLettuceSalad", "threads": 1, "iterations": 2, "rollout_steps": 8},
)
SMALL = {"rollout_steps": 8}


def config(variant: dict[str, Any], folder: Path) -> TrainConfig:
    """The default preset for the variant, the early stop off; a random model is written into the folder."""
    model = variant["model"]
    settings: dict[str, Any] = SMALL if "rollout_steps" in variant else {}
    if model in SIZES:
        random_llama(SIZES[model]).save_pretrained(folder)
        ActionScorer.from_pretrained("hearth").tokenizer.save_pretrained(folder)
        model = str(folder)
    env = f"twosome/{variant['env']}-v0"
    settings = {"preset": "default", "normalization": "word", "target_kl": 0.0, **settings}
    return TrainConfig(env=env, model=model, threads=variant["threads"], **settings)


def measure(variant: dict[str, Any]) -> dict[str, Any]:
    """One variant, in this process."""
    with tempfile.TemporaryDirectory() as folder:
        settings = config(variant, Path(folder))
        found = compare_iterations(settings, variant["iterations"], lambda line: print(line, flush=True))
        trainer = Trainer(settings)
        trainer.step()  # compiles kernels and fills caches
        found["phases_s"] = phases(trainer, 2 if variant["model"] in SIZES else 10)
        if variant["model"] == "hearth":
            found["loss_differences"] = loss_differences(settings)
    return {**variant, **found}


def measure_apart(index: int) -> dict[str, Any]:
    """`measure` in a fresh process; its words are passed on, its last line is the result."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.iteration", *sys.argv[1:], "--only", str(index)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        last = ""
        for line in process.stdout:
            if not line.startswith("{"):
                print(line, end="", flush=True)
            last = line
    if process.returncode:
        raise RuntimeError(f"the variant {VARIANTS[index]} failed")
    return dict(json.loads(last))


def numbers(row: dict[str, Any]) -> Iterator[Number]:
    """A measured variant in the schema of the result files."""
    threads = f"{row['threads']} thread{'s' if row['threads'] > 1 else ''}"
    world, n = f"`{row['env']}`, {row['model']}, {threads}", row["iterations"]
    yield Number("decisions", world, mean=row["decisions"])
    for method in ("ours", "page"):
        low, middle, high = row[method]["wall_s"]
        yield Number("seconds", world, method, None, middle, (low, high), n)
        yield Number("peak MiB", world, method, mean=row[method]["peak_mib"])
    for clock, told in (("wall", ""), ("processor", ", processor time")):
        low, middle, high = row["page/ours"][clock]
        yield Number(f"page / ours{told}", world, "", None, middle, (low, high), n)
    for phase, parts in row["phases_s"].items():
        yield from (Number(f"seconds of {phase}", world, part, mean=seconds) for part, seconds in parts.items())
    if "loss_differences" in row:
        worst = max(row["loss_differences"].values())
        yield Number("largest relative difference of losses", world, mean=worst)


def main() -> None:
    """Measure every variant and write one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=int, help="measure only the variant with this number, in this process")
    parser.add_argument("--iterations", type=int, help="so many of each, in place of every variant's own number")
    parser.add_argument("--variants", nargs="+", type=int, default=list(range(len(VARIANTS))), help="these alone")
    options = parser.parse_args()
    own = {} if options.iterations is None else {"iterations": options.iterations}
    if options.only is not None:
        print(json.dumps(measure(VARIANTS[options.only] | own)))
        return
    rows = []
    for index in options.variants:
        began = time.perf_counter()
        print(" ".join(f"{name}={value}" for name, value in (VARIANTS[index] | own).items()), flush=True)
        rows.append(measure_apart(index))
        low, middle, high = rows[-1]["page/ours"]["wall"]
        print(f"  page/ours {middle:.1f} ({low:.1f} to {high:.1f}), {time.perf_counter() - began:.0f} s", flush=True)
        write("iteration", [number for row in rows for number in numbers(row)])


if __name__ == "__main__":
    main()
