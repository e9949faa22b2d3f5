"""A model, a run of it, and what is measured of them: made once, and copied for each input to be damaged."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from tests.environments import counting_run
from tests.fuzz.inputs import damaged, json_bytes, json_values, mutated, texts
from tests.scoring.tiny_models import byte_level, llama
from twosome.errors import TwosomeError
from twosome.evaluate.success import evaluate
from twosome.files import sha256
from twosome.policy.uniform import Uniform
from twosome.ppo.train import train

CHAT = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
CANARY = "canary"
"""Name of the file that code in an input would write, were it run."""


def make_model(folder: Path) -> Path:
    """A tiny random model as a folder, with code beside it that nothing may run."""
    tokenizer = byte_level()
    tokenizer.chat_template = CHAT
    llama().float().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "evil.py").write_text(f"open({str(folder.parent / CANARY)!r}, 'w').close()\n")
    return folder


class _InterruptedError(TwosomeError):
    """In the middle of a run."""


def make_run(folder: Path, model: Path, updates: int = 2, **settings: Any) -> Path:
    """A run in `Counting`, interrupted after so many of its three updates; the last two have checkpoints."""

    def stop(metrics: dict[str, Any]) -> None:
        if metrics["update"] > updates:
            raise _InterruptedError

    with suppress(_InterruptedError):
        train(counting_run(folder, model=str(model), checkpoint_every=1, **settings), stop)
    return folder


def measured(gamma: float = 0.9) -> dict[str, Any]:
    """What `twosome eval --json` says, of random play."""
    summary = evaluate(Uniform(), "twosome-tests/Counting-v0", gamma=gamma, episodes=20).summary()
    return {
        "env": "twosome-tests/Counting-v0",
        "env_kwargs": {},
        "gamma": gamma,
        "seed": 0,
        **json.loads(json.dumps(summary)),
    }


@contextmanager
def copied(folder: Path) -> Iterator[Path]:
    """A copy of a folder beside it, gone afterwards."""
    copy = folder.with_name(f"{folder.name}-copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy, symlinks=True)
    try:
        yield copy
    finally:
        shutil.rmtree(copy, ignore_errors=True)


@st.composite
def damaged_file(draw: st.DrawFn, path: Path, values: st.SearchStrategy[Any] | None = None) -> bytes:
    """The content of a JSON file, or of lines of JSON, that is damaged in its structure or in its bytes."""
    content = path.read_bytes()
    if draw(st.integers(0, 3)) == 0:
        return draw(damaged(content))
    if path.suffix != ".jsonl":
        return json_bytes(draw(mutated(json.loads(content), values)))
    lines = draw(mutated([json.loads(line) for line in content.splitlines()], values))
    return b"".join(json_bytes(line) + b"\n" for line in lines)


@st.composite
def damaged_tensors(draw: st.DrawFn, path: Path) -> Callable[[Path], None]:
    """Writes tensors like those in a file, some of which are missing, renamed, of another shape, type or content."""
    tensors = load_file(path)
    for _ in range(draw(st.integers(1, 2))):
        if not tensors:
            break
        name = draw(st.sampled_from(sorted(tensors)))
        what = draw(
            st.sampled_from(
                ("drop", "rename", "transpose", "flatten", "cut", "empty", "type", "fill", "exchange", "add")
            )
        )
        tensor = tensors[name]
        if what in ("drop", "rename"):
            del tensors[name]
        if what == "rename":
            tensors[draw(st.sampled_from((f"{name}.x", name[1:], "a")) | texts(6).filter(_is_name))] = tensor
        elif what == "transpose":
            tensors[name] = tensor.t().contiguous() if tensor.ndim == 2 else tensor[None]
        elif what == "flatten":
            tensors[name] = tensor.flatten()
        elif what == "cut":
            tensors[name] = tensor[:-1].contiguous() if tensor.ndim else torch.zeros(2)
        elif what == "empty":
            tensors[name] = torch.zeros(0)
        elif what == "type":
            kinds = (torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.uint8, torch.bool)
            tensors[name] = tensor.to(draw(st.sampled_from(kinds)))
        elif what == "fill":
            value = draw(st.sampled_from((float("nan"), float("inf"), -1.0, 3e38, 1e-45, 0.0)))
            tensors[name] = torch.full_like(tensor, value) if tensor.is_floating_point() else torch.zeros_like(tensor)
        elif what == "exchange":
            tensors[name] = tensors[draw(st.sampled_from(sorted(tensors)))].clone()
        elif what == "add":
            tensors[draw(st.sampled_from(("more", "base_model.model.lm_head.weight")))] = torch.ones(3)
    return lambda target: save_file(tensors, target, metadata={"format": "pt"})


def _is_name(name: str) -> bool:
    return bool(name) and not any(0xD800 <= ord(c) < 0xE000 for c in name) and name != "__metadata__"


def rehash(checkpoint: Path) -> None:
    """Write a manifest with the hashes that the files have now."""
    names = json.loads((checkpoint / "manifest.json").read_text())
    there = [name for name in names if (checkpoint / name).is_file()]
    (checkpoint / "manifest.json").write_text(json.dumps({name: sha256(checkpoint / name) for name in there}))


def run_values(documents: list[Any]) -> st.SearchStrategy[Any]:
    """Values that stand somewhere in other files of a run, among all others."""
    return json_values() | st.sampled_from(documents)
