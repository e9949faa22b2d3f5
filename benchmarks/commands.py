"""What the command costs: its start, the speed of training, and how near the dry run comes to a real run.

    python -m benchmarks.commands startup     # CPU seconds and time to the first character, beside an empty Python
    python -m benchmarks.commands training    # threads, and glibc's thresholds, side by side
    python -m benchmarks.commands dry-run     # memory and time of `twosome train --dry-run` beside those of a real run
    python -m benchmarks.commands costs       # memory of models of several sizes, as the dry run says
    python -m benchmarks.commands sizes-models   # what `python -m hearth.build` measured of three sizes

Each measurement runs in a process of its own. Memory of the dry run is counted twice: in tensors (PyTorch's profiler
on a CPU, `torch.cuda.max_memory_allocated` on a GPU), which is what the estimate is of, and as the process's peak
resident size above what it had after its imports. The Llamas are random, with hearth's tokenizer.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.pages.files import ROOT, WORLDS, write
from twosome.report.numbers import Number

COMMANDS = (
    "--version",
    "--help",
    "train --help",
    "eval --help",
    "score --help",
    "trian",
    "train --lerning-rate 1",
    "train --env TomatoSald",
    "train --model ./no-such-model",
    "eval no-such-run",
)
STARTS = 5
VARIANTS = {
    "1 thread": (1, True),
    "2 threads": (2, True),
    "1 thread, glibc's own thresholds": (1, False),
    "2 threads, glibc's own thresholds": (2, False),
}
REPEATS, STEPS = 3, 5120
LLAMA = "llama-58m"
CASES: dict[str, tuple[dict[str, Any], int | None]] = {
    "hearth, TomatoSalad": ({"env": "TomatoSalad"}, None),
    "hearth, FoodPreparation": ({"env": "FoodPreparation"}, 60),
    "58M Llama, TomatoSalad": ({"env": "TomatoSalad", "model": LLAMA, "preset": "default"}, 3),
}
"""Name: settings, and how many updates are run for real; None: the whole run."""
SHAPES = {"14M": (192, 4), "28M": (320, 6), "58M": (512, 8)}
"""Width and layers of the Llamas whose costs are asked for; a vocabulary of 32,000 words."""
SIZES: dict[str, dict[str, int]] = {
    "small": {"width": 64, "layers": 2},
    "middle": {"width": 96, "layers": 3},
    "hearth": {},
}


def apart(what: str, *arguments: Any, threads: int = 1) -> Any:
    """The result of a function of this module, computed in a fresh process."""
    code = f"import json, benchmarks.commands as b; print(json.dumps(b.{what}(*{list(arguments)!r})))"
    answer = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return json.loads(answer.stdout.splitlines()[-1])


def startup() -> Iterator[Number]:
    """The best of several starts each: what else the machine does only adds."""
    lines = {"python -c pass": ["-c", "pass"], **{f"twosome {c}": ["-m", "twosome", *c.split()] for c in COMMANDS}}
    for name, words in lines.items():
        with tempfile.TemporaryDirectory() as folder:
            cpu, first = zip(*(_start([sys.executable, *words], folder) for _ in range(STARTS)), strict=True)
        yield Number("CPU seconds", name, mean=round(min(cpu), 3), n=STARTS)
        yield Number("seconds to the first character", name, mean=round(min(first), 3), n=STARTS)


def _start(words: list[str], folder: str) -> tuple[float, float]:
    """CPU seconds, and seconds until the first character."""
    before, began = _cpu_of_children(), time.perf_counter()
    process = subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    process.stdout.read(1)
    first = time.perf_counter() - began
    process.communicate()
    return _cpu_of_children() - before, first


def _cpu_of_children() -> float:
    return sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])  # user's and system's


def training() -> Iterator[Number]:
    """Decisions per second, where the time goes, and memory; variants in turn, so that a busy machine is so for all."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in VARIANTS}
    for _ in range(REPEATS):
        for name, (threads, keep) in VARIANTS.items():
            found[name].append(apart("train_once", threads, keep, threads=threads))
    for name, runs in found.items():
        speeds = [run.pop("decisions per second") for run in runs]
        memory = max(run.pop("peak MiB") for run in runs)
        middle, span = round(statistics.median(speeds)), (min(speeds), max(speeds))
        yield Number("decisions per second", "TomatoSalad", name, None, middle, span, REPEATS)
        for phase in runs[0]:
            share = round(statistics.median(run[phase] for run in runs), 3)
            yield Number(f"share of {phase}", "TomatoSalad", name, mean=share, n=REPEATS)
        yield Number("peak MiB", "TomatoSalad", name, mean=round(memory), n=REPEATS)


def train_once(threads: int, keep_freed_memory: bool) -> dict[str, float]:
    """Train in this process; what the metrics say, and the system of its memory."""
    from twosome import _malloc

    if not keep_freed_memory:  # a switch that exists only here: a user has no reason to turn it
        _malloc.keep_freed_memory = lambda: False
    rows = _trained({"env": "TomatoSalad", "threads": threads, "total_steps": STEPS})
    # The first updates compile kernels and fill caches; what follows is the loop as it goes on.
    phases = {name: sum(row[name] for row in rows[5:]) for name in rows[5] if name.endswith("_s")}
    total = sum(phases.values())
    return {
        "decisions per second": (rows[-1]["decisions"] - rows[4]["decisions"]) / total,
        "peak MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        **{name.removesuffix("_s"): value / total for name, value in phases.items()},
    }


def _trained(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """The metrics of a run that is then thrown away."""
    from twosome import TrainConfig, train

    with tempfile.TemporaryDirectory() as folder:
        run = train(TrainConfig(**settings, output=Path(folder) / "run"))
        return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def dry_run() -> Iterator[Number]:
    """For each case the estimate, a real run, and one more whose allocations are counted, one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        save_llama(Path(folder), *SHAPES["58M"])
        for name, (given, updates) in CASES.items():
            settings = {**given, "threads": 1, **({"model": folder} if given.get("model") == LLAMA else {})}
            expected, measured = apart("estimate", settings), apart("real", settings, updates)
            memory, tensors = expected["memory"]["total"], apart("counted", settings)
            yield from (
                Number(what, name, mean=value)
                for what, value in {
                    "MiB expected": memory / 2**20,
                    "MiB of tensors": tensors / 2**20,
                    "MiB, off by": memory / tensors - 1,
                    "MiB of the process": measured["resident_mib"],
                    "seconds expected": expected["update_s"],
                    "seconds": measured["update_s"],
                    "seconds, off by": expected["update_s"] / measured["update_s"] - 1,
                    "updates": measured["updates"],
                    "load average": round(os.getloadavg()[0], 2),
                }.items()
            )


def costs() -> Iterator[Number]:
    """Memory by the dry run of hearth and of Llamas, with the preset that each has on TomatoSalad."""
    with tempfile.TemporaryDirectory() as folder:
        for name, shape in {
            "hearth, 0.9M": None,
            **{f"Llama, {size}": shape for size, shape in SHAPES.items()},
        }.items():
            if shape is not None:
                save_llama(Path(folder), *shape)
            found = apart(
                "estimate", {"env": "TomatoSalad", "threads": 1, **({} if shape is None else {"model": folder})}
            )
            for part, size in found["memory"].items():
                yield Number(f"MiB, {part}", name, mean=round(size / 2**20, 1))


def save_llama(folder: Path, width: int, layers: int) -> None:
    """A random model with hearth's tokenizer."""
    from transformers import AutoTokenizer

    from twosome import models
    from twosome.bench.models import Size, random_llama

    random_llama(Size(width, layers, 32_000)).save_pretrained(folder)
    AutoTokenizer.from_pretrained(str(models.path("hearth"))).save_pretrained(folder)


def estimate(settings: dict[str, Any]) -> dict[str, Any]:
    """What the dry run says."""
    from twosome import TrainConfig
    from twosome.ppo.dry_run import dry_run as estimated

    return estimated(TrainConfig(**settings)).to_json()


def real(settings: dict[str, Any], updates: int | None) -> dict[str, Any]:
    """Seconds per update of a real run, and the process's peak above what its imports took."""
    import torch

    from twosome import TrainConfig
    from twosome.bench.memory import peak_mib
    from twosome.ppo import dry_run  # noqa: F401 - imports all that training needs

    steps = {} if updates is None else {"total_steps": updates * TrainConfig(**settings).batch_size}
    rows: list[dict[str, Any]] = []
    peak = peak_mib(lambda: rows.extend(_trained({**settings, **steps})), torch.device("cpu"))
    # The first update warms up.
    seconds = [sum(value for name, value in row.items() if name.endswith("_s")) for row in rows[1:]]
    return {"update_s": sum(seconds) / len(seconds), "updates": len(rows), "resident_mib": peak}


def counted(settings: dict[str, Any]) -> int:
    """Most bytes of tensors alive at once in two updates."""
    import torch

    from twosome import TrainConfig
    from twosome.bench.memory import peak_tensor_bytes
    from twosome.estimate import tensor_bytes
    from twosome.ppo.train import Trainer

    trainer = Trainer(TrainConfig(**settings))
    model, head = trainer.scorer.model, trainer.critic.head
    if trainer.scorer.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        trainer.step()
        trainer.step()
        return torch.cuda.max_memory_allocated()
    before = tensor_bytes([*model.parameters(), *model.buffers(), *head.parameters()])
    return before + peak_tensor_bytes(lambda: (trainer.step(), trainer.step()))


def sizes() -> Iterator[Number]:
    """What the builds of `hearth` measured, once it is certain that nothing but the size differs from what ships."""
    from twosome import models

    shipped = Path(models.path("hearth"))
    recipe = json.loads((shipped / "measurements.json").read_text())["recipe"]
    for name, size in SIZES.items():
        folder = shipped if name == "hearth" else ROOT / "runs" / "models" / name
        found = json.loads((folder / "measurements.json").read_text())
        if found["recipe"] != {**recipe, **size}:
            raise SystemExit(
                f"{folder} was built by {found['recipe']}; expected { ({**recipe, **size}) }. Build it again."
            )
        for what in ("width", "layers"):
            yield Number(what, "", name, mean=found["recipe"][what])
        for what in ("parameters", "perplexity"):
            yield Number(what, "", name, mean=found[what])
        for what, probe in found["probe"].items():
            yield Number(f"probe, {what}", "", name, mean=probe["accuracy"])
            if name == "hearth":
                yield Number(f"probe, {what}", "", "chance", mean=probe["chance"])
        for world in WORLDS:
            yield Number("untrained return", world, name, mean=found["untrained"][world]["return"], n=500)


PARTS = {"startup": startup, "training": training, "dry-run": dry_run, "costs": costs, "sizes-models": sizes}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=PARTS)
    part = parser.parse_args().part
    numbers = list(PARTS[part]())
    print(*numbers, sep="\n")
    write(part, numbers, threads=1 if part in ("dry-run", "costs") else None)


if __name__ == "__main__":
    main()
