"""`twosome bench`: how fast scoring is on this machine, beside other ways of computing the same."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import tyro
from rich.table import Table

from twosome import models
from twosome.cli.parse import parse
from twosome.console import announce, plain_console
from twosome.errors import ConfigError
from twosome.evaluate.loading import ModelOptions
from twosome.extras import require_extras
from twosome.setting_types import require_at_least

ABOUT = {
    "packed": "packed: the prompt once, then the trie of its actions",
    "padded": "padded: a padded row for each action, logits everywhere",
    "cached": "cached: key-value cache of the prompt, copied for each action",
    "harness": "harness: lm-evaluation-harness, its tokenizing included",
    "plain": "plain: one causal forward over as many tokens, the floor",
}


@dataclass(frozen=True)
class Bench:
    """Time the scoring of actions on this machine: packed, and in other ways that compute the same.

    The ways run in turn; ratios are of paired runs, with their quartiles. Forward, and forward with a backward pass
    into adapters of rank 8. With the extra `retention`, lm-evaluation-harness is one of the ways.

    Examples:
        twosome bench
        twosome bench --model my-model --prompt-tokens 400 --actions 8 50 200 --json
    """

    model: str = "hearth"
    """The embedded "hearth", a Hugging Face id, or a folder with a model."""
    prompt_tokens: int = 110
    """Length of the prompts, in tokens."""
    actions: tuple[int, ...] = (8, 50)
    """How many actions a decision has; each number is a comparison of its own."""
    decisions: int = 4
    """Decisions that are scored together."""
    threads: int | None = None
    """CPU threads of PyTorch; by default its own choice."""
    seconds: float = 5.0
    """How long each comparison is repeated, beyond the first three times."""
    lora_targets: tuple[str, ...] = ()
    """Linear layers to adapt; empty: PEFT's choice for the model's family."""
    loading: Annotated[ModelOptions, tyro.conf.arg(name="")] = field(default_factory=ModelOptions)
    json: bool = False
    """Print one JSON document and nothing else."""


def main(arguments: Sequence[str]) -> int:
    """Parse, measure, print."""
    options = parse(Bench, "bench", arguments)
    _require_positive(options)
    require_extras(quantization=options.loading.quantization)
    models.locate(options.model)
    announce(f"Loading PyTorch and {options.model} ...", quiet=options.json)
    result = _measure(options, " ".join(["twosome", "bench", *arguments]))
    if options.json:
        print(json.dumps(result))  # noqa: T201 - the document is the output
    else:
        _print(result)
    return 0


def _measure(options: Bench, command: str) -> dict[str, Any]:
    import torch

    from twosome._malloc import keep_freed_memory
    from twosome.bench.cells import measure
    from twosome.bench.document import document
    from twosome.bench.models import put_random_adapters
    from twosome.bench.requests import decisions, phrases
    from twosome.scoring import ActionScorer

    keep_freed_memory()
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    with plain_console(stderr=True, quiet=options.json).status("Loading the model ...") as status:
        # Not "auto": what could only be scored one by one would be timed under the wrong name.
        scorer = ActionScorer.from_pretrained(options.model, method="packed", **options.loading.given())
        put_random_adapters(scorer, options.lora_targets)
        cells = []
        for count in options.actions:
            status.update(f"Timing {count} actions ...")
            batch = decisions(scorer, options.decisions, options.prompt_tokens, phrases(count))
            cells.append(measure(scorer, batch, budget_s=options.seconds))
    device = {"device": str(scorer.device), "dtype": str(scorer.model.dtype).removeprefix("torch.")}
    return document(command, {"model": scorer.name, **device, "threads": torch.get_num_threads(), "cells": cells})


def _require_positive(options: Bench) -> None:
    for name in ("prompt_tokens", "decisions", "threads"):
        value = getattr(options, name)
        if value is not None:
            require_at_least(name.replace("_", "-"), value, 1)
    for count in options.actions:
        require_at_least("actions", count, 1)
    if not options.actions:
        raise ConfigError("--actions names no number of actions; give at least one.")


def _print(result: dict[str, Any]) -> None:
    console = plain_console()
    where = f"{result['model']} in {result['dtype']} on {result['device']}, threads: {result['threads']}"
    console.print(f"{where}; medians, with quartiles of the ratios\n", style="dim")
    for cell in result["cells"]:
        for mode in ("forward", "forward_backward"):
            console.print(_table(cell, mode))
        worst = max(cell["largest_difference_nats"].values())
        console.print(f"  All ways agree to {worst:.1g} nats.\n")
    for name, text in ABOUT.items():
        missing = result["cells"][0]["left_out"].get(name)
        console.print(f"  {text}" if missing is None else f"  {name}: left out, {missing}", style="dim", soft_wrap=True)


def _table(cell: dict[str, Any], mode: str) -> Table:
    title = f"{cell['decisions']} decisions, {cell['prompt_tokens']} tokens, {cell['actions']} actions: "
    title += mode.replace("_", " + ")
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 1, 0, 1))
    table.add_column("way", no_wrap=True)
    for name in ("ms", "times packed", "peak MiB", "rows timed"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, way in cell[mode]["ways"].items():
        milliseconds = 1000 * way["wall_s"][1]
        peak = "-" if way["peak_mib"] is None else f"{way['peak_mib']:.0f}"
        rows = f"{way['rows_timed']} of {way['rows']}" if way["rows"] else ""
        table.add_row(name, f"{milliseconds:,.1f}", _against(cell[mode], name), peak, rows)
    return table


def _against(measured: dict[str, Any], name: str) -> str:
    """How many times as long as packed a way takes."""
    if name == "packed":
        return ""
    if name == "plain":
        # Measured the other way round: packed in multiples of the floor.
        high, middle, low = (1 / value for value in measured["ratios"]["packed/plain"]["wall"])
    else:
        low, middle, high = measured["ratios"][f"{name}/packed"]["wall"]
    return f"{middle:.2f}x ({low:.2f} to {high:.2f})"
