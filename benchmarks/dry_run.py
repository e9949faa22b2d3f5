"""How near `twosome train --dry-run` comes: its memory and time beside those of a real run.

    python benchmarks/dry_run.py

For each case the estimate, a real run, and one more whose allocations are counted come one after the other, each in a
process of its own. Memory is counted twice: in tensors (PyTorch's profiler on a CPU, `torch.cuda.max_memory_allocated`
on a GPU), which is what the estimate is of, and as the process's peak resident size above what it had after its
imports, which the system reports. The 58M Llama is random, of the shape of benchmarks/scoring.py, with hearth's
tokenizer. The result goes to benchmarks/results/dry-run.json.
"""

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from twosome.versions import hardware, versions

RESULT = Path(__file__).parent / "results" / "dry-run.json"
LLAMA = "llama-58m"
# Name: settings, and how many updates are run for real; None: the whole run.
CASES: dict[str, tuple[dict[str, Any], int | None]] = {
    "hearth, TomatoSalad": ({"env": "TomatoSalad"}, None),
    "hearth, FoodPreparation": ({"env": "FoodPreparation"}, 60),
    "58M Llama, TomatoSalad": ({"env": "TomatoSalad", "model": LLAMA}, 3),
}


def save_llama(folder: Path) -> None:
    """The random model of benchmarks/scoring.py with a tokenizer of its own."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    from twosome import models

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=32_000,
        hidden_size=512,
        intermediate_size=1376,
        num_hidden_layers=8,
        num_attention_heads=8,
        max_position_embeddings=512,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(str(models.path("hearth"))).save_pretrained(folder)


def estimate(settings: dict[str, Any]) -> dict[str, Any]:
    """What the dry run says."""
    from twosome import TrainConfig
    from twosome.ppo.dry_run import dry_run

    return dry_run(TrainConfig(**settings)).to_json()


def real(settings: dict[str, Any], updates: int | None) -> dict[str, Any]:
    """Seconds per update of a real run, and the process's peak above what its imports took."""
    from twosome import TrainConfig, train
    from twosome.ppo import dry_run  # noqa: F401 - imports all that training needs

    config = TrainConfig(**settings)
    if updates is not None:
        settings = {**settings, "total_steps": updates * config.batch_size}
    before = _resident("VmRSS")
    with tempfile.TemporaryDirectory() as folder:
        run = train(TrainConfig(**settings, output=Path(folder) / "run"))
        rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    # The first update warms up.
    seconds = [sum(value for name, value in row.items() if name.endswith("_s")) for row in rows[1:]]
    return {
        "update_s": sum(seconds) / len(seconds),
        "updates": len(rows),
        "resident_bytes": _resident("VmHWM") - before,
    }


def counted(settings: dict[str, Any]) -> dict[str, Any]:
    """Most bytes of tensors alive at once in two updates."""
    import torch

    from twosome import TrainConfig
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
    return {"tensor_bytes": before + _peak_bytes(lambda: (trainer.step(), trainer.step()))}


def _peak_bytes(function: Any) -> int:
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        function()
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    alive = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        alive += event.nbytes()
        peak = max(peak, alive)
    return peak


def _resident(name: str) -> int:
    """Bytes that the process holds now (VmRSS), or held at most (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))


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
    result = {
        "command": " ".join(["python", "benchmarks/dry_run.py", *sys.argv[1:]]),
        "date": datetime.date.today().isoformat(),
        "hardware": hardware(),
        "versions": versions(),
        "threads": options.threads,
        "cases": cases,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
