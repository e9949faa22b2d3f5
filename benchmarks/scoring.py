"""How fast packed rows are: scoring actions in every way, cell by cell, forward and with a backward pass.

    python benchmarks/scoring.py

Prompts of 50 to 1500 tokens with 5 to 1000 actions, for hearth and for a random Llama of 58M parameters (vocabulary
32 000, float32), with adapters of rank 8 on query and value projections; decisions from the worlds, which share the
beginnings of their prompts; phrases that share no beginning; and 2,000 actions. The ways, run in turn:

- ``packed``: `ActionScorer`, the prompt once and then the trie of its actions;
- ``padded``: every prompt with every action as a padded row, log-softmax over all logits, as the paper's published
  code does it;
- ``cached``: the prompts once with a key-value cache, copied for each action, the actions as padded rows on it;
- ``harness``: lm-evaluation-harness's log-likelihood of the same requests, its tokenizing included; forward only;
- ``plain``: one causal forward over as many distinct tokens, logits at as many positions: the floor.

All ways keep freed memory as training does (`twosome._malloc`). Each cell goes to benchmarks/results/scoring.json as
soon as it is measured, with its date and commit; cells that are there are not measured again, unless with --fresh.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import torch

from twosome import Decision
from twosome._malloc import keep_freed_memory
from twosome.bench import requests
from twosome.bench.cells import MODES, measure
from twosome.bench.document import document
from twosome.bench.models import SIZES, put_random_adapters, random_llama, word_tokenizer
from twosome.errors import PromptTooLongError
from twosome.scoring import ActionScorer
from twosome.versions import versions

RESULT = Path(__file__).parent / "results" / "scoring.json"
PROMPTS = (110, 400, 50, 1500)
ACTIONS = (5, 8, 50, 200, 1000)
WORLDS = ("TomatoLettuceSalad", "FoodPreparation")
# Seconds: what a run of padded rows may take before only some are run, and how long a mode's repeats go on.
LIMITS: dict[str, Any] = {
    "hearth": {"slow_s": 0.25},
    "58M": {"slow_s": 0.4},
}
# What the goals are about: more repeats, and with eight actions all rows.
HEADLINE: dict[tuple[int, int], dict[str, Any]] = {
    (110, 8): {"slow_s": 6.0, "budget_s": 10.0, "max_repeats": 7},
    (110, 50): {"slow_s": 2.0, "budget_s": 10.0, "max_repeats": 7},
    (110, 200): {"slow_s": 2.0, "budget_s": 10.0, "max_repeats": 7},
}


def scorers() -> dict[str, tuple[ActionScorer, ActionScorer]]:
    """By model: a scorer for made-up requests and one for the worlds' texts.

    The large model reads the former with one token for each word, as a large vocabulary has it, and the latter with
    hearth's tokenizer, which knows every word.
    """
    hearth = ActionScorer.from_pretrained("hearth")
    size = SIZES["58M"]
    words = ActionScorer(random_llama(size), word_tokenizer(requests.WORDS, size.vocab_size), name="58M")
    worlds = ActionScorer(random_llama(size), hearth.tokenizer, name="58M")
    for scorer in (hearth, words, worlds):
        put_random_adapters(scorer)
    return {"hearth": (hearth, hearth), "58M": (words, worlds)}


def cells(
    model: str, scorer: ActionScorer, worlds: ActionScorer, prompts: list[int], actions: list[int]
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """What each cell is called, and the arguments with which it is measured."""
    for prompt_tokens in prompts:
        for num_actions in actions:
            count = 4 if prompt_tokens + 3 * num_actions <= 300 else 1
            batch = requests.decisions(scorer, count, prompt_tokens, requests.phrases(num_actions))
            headline = HEADLINE.get((prompt_tokens, num_actions), {}) if model == "58M" else {}
            limits = LIMITS[model] | headline
            yield {"kind": "grid", "prompt": prompt_tokens}, {"scorer": scorer, "decisions": batch, **limits}
    for world in WORLDS:
        yield {"kind": world}, {"scorer": worlds, "decisions": requests.world_decisions(world, 32), **LIMITS[model]}
    batch = requests.decisions(scorer, 4, 110, requests.unshared_phrases(50))
    yield {"kind": "no shared beginnings", "prompt": 110}, {"scorer": scorer, "decisions": batch, **LIMITS[model]}
    batch = requests.decisions(scorer, 1, 110, requests.phrases(2000))
    yield (
        {"kind": "2,000 actions", "prompt": 110},
        {"scorer": scorer, "decisions": batch, "modes": ("forward",), **LIMITS[model]},
    )


def fits(scorer: ActionScorer, decisions: list[Decision]) -> bool:
    """Whether the prompts fit into the model's context."""
    try:
        scorer.encoder.encode(decisions[0])
    except PromptTooLongError:
        return False
    return True


def row(model: str, name: dict[str, Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """One cell, measured, or why it is not; says so as it is done."""
    began = time.perf_counter()
    label = f"{model}, {name.get('prompt', 'real')} tokens x {len(arguments['decisions'][0].actions)} actions"
    if not fits(arguments["scorer"], arguments["decisions"]):
        print(f"{label}: left out, longer than the model's context", flush=True)
        return {"model": model, **name, "left_out": {"cell": "longer than the model's context"}}
    measured = measure(**arguments)
    for mode in MODES:
        if mode in measured:
            ratios = {key: value["wall"][1] for key, value in measured[mode]["ratios"].items()}
            text = ", ".join(f"{key} {value:.2f}" for key, value in ratios.items())
            print(f"{label} ({name['kind']}), {mode}: {text}", flush=True)
    print(f"  {time.perf_counter() - began:.0f} s", flush=True)
    return {"model": model, **name, **measured}


def main() -> None:
    """Measure every cell and write one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--models", nargs="+", choices=["hearth", "58M"], default=["58M", "hearth"])
    parser.add_argument("--prompts", nargs="+", type=int, default=list(PROMPTS), help="tokens of the grid's prompts")
    parser.add_argument("--actions", nargs="+", type=int, default=list(ACTIONS), help="actions of the grid")
    parser.add_argument("--fresh", action="store_true", help="measure the cells anew that are there")
    options = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(options.threads)
    found = scorers()
    command = " ".join(["python", "benchmarks/scoring.py", *sys.argv[1:]])
    rows = [] if options.fresh or not RESULT.exists() else json.loads(RESULT.read_text())["cells"]
    for model in options.models:
        for name, arguments in cells(model, *found[model], options.prompts, options.actions):
            key = {"model": model, **name, "num_actions": len(arguments["decisions"][0].actions)}
            if any(key.items() <= known.items() for known in rows):
                continue
            rows.append(
                {**key, **row(model, name, arguments), "date": date.today().isoformat(), "commit": versions()["commit"]}
            )
            result = document(command, {"threads": options.threads, "cells": rows})
            RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
