"""How near `twosome train --dry-run` comes: its memory and time beside those of a real run.

    python benchmarks/dry_run.py

For each case the estimate, a real run, and one more whose allocations are counted come one after the other, each in a
process of its own. Memory is counted twice: in tensors (PyTorch's profiler on a CPU, `torch.cuda.max_memory_allocated`
on a GPU), which is what the estimate is of, and as the process's peak resident size above what it had after its
imports, which the system reports. The 58M Llama is random, of the shape of benchmarks/scoring.py, with hearth's
tokenizer. The result goes to benchmarks/results/dry-run.json.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from twosome.bench.document import document

RESULT = Path(__file__).parent / "results" / "dry-run.json"
LLAMA = "llama-58m"
# Name: settings, and how many updates are run for real; None: the whole run.
CASES: dict[str, tuple[dict[str, Any], int | None]] = {
    "hearth, TomatoSalad": ({"env": "TomatoSalad"}, None),
    "hearth, FoodPreparation": ({"env": "FoodPreparation"}, 60),
    "58M Llama, TomatoSalad": ({"env": "TomatoSalad", "model": LLAMA}, 3),
}


def save_llama(folder: Path) -> None:
    """The random model of benchmarks/scoring.py with hearth's tokenizer."""
    from transformers import AutoTokenizer

    from twosome import models
    from twosome.bench.models import SIZES, random_llama

    random_llama(SIZES["58M"]).save_pretrained(folder)
    AutoTokenizer.from_pretrained(str(models.path("hearth"))).save_pretrained(folder)


def estimate(settings: dict[str, Any]) -> dict[str, Any]:
    """What the dry run says."""
    from twosome import TrainConfig
    from twosome.ppo.dry_run import dry_run

    return dry_run(TrainConfig(**settings)).to_json()


def real(settings: dict[str, Any], updates: int | None) -> dict[str, Any]:
    """Seconds per update of a real run, and the process's peak above what its imports took."""
    import torch

    from twosome import TrainConfig, train
    from twosome.bench.memory import peak_mib
    from twosome.ppo import dry_run  # noqa: F401 - imports all that training needs

    config = TrainConfig(**settings)
    if updates is not None:
        settings = {**settings, "total_steps": updates * config.batch_size}
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        peak = peak_mib(lambda: train(TrainConfig(**settings, output=run)), torch.device("cpu"))
        rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    # The first update warms up.
    seconds = [sum(value for name, value in row.items() if name.endswith("_s")) for row in rows[1:]]
    return {
        "update_s": sum(seconds) / len(seconds),
        "updates": len(rows),
        "resident_mib": peak,
    }


def counted(settings: dict[str, Any]) -> dict[str, Any]:
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
        return {"tensor_bytes": torch.cuda.max_memory_allocated()}
    before = tensor_bytes([*model.parameters(), *model.buffers(), *head.parameters()])
    return {"tensor_bytes": before + peak_tensor_bytes(lambda: (trainer.step(), trainer.step()))}


def in_own_process(what: str, settings: dict[str, Any], *arguments: Any) -> dict[str, Any]:
    """The result of one of the functions above, computed in a fresh process."""
    code = f"import json, benchmarks.dry_run as b; print(json.dumps(b.{what}(*{[settings, *arguments]!r})))"
    root = Path(__file__).parents[1]
    path = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
    answer = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    content: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return content


def main() -> None:
    """Estimate, run, count, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    cases = {}
    with tempfile.TemporaryDirectory() as folder:
        save_llama(Path(folder))
        for name, (settings, updates) in CASES.items():
            settings = {**settings, "threads": options.threads}
            if settings.get("model") == LLAMA:
                settings["model"] = folder
            expected = in_own_process("estimate", settings)
            measured = {**in_own_process("real", settings, updates), **in_own_process("counted", settings)}
            cases[name] = {"estimate": expected, "measured": measured, "load_average": os.getloadavg()}
            print(name, json.dumps(cases[name]), flush=True)
    command = " ".join(["python", "benchmarks/dry_run.py", *sys.argv[1:]])
    result = document(command, {"threads": options.threads, "cases": cases})
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
