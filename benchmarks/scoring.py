"""How fast packed rows are: scoring actions in every way, cell by cell, forward and with a backward pass.

    python benchmarks/scoring.py

Prompts of 50 to 1500 tokens with 5 to 1000 actions, for hearth and for a random Llama of 58M parameters (vocabulary
32 000, float32), with adapters of rank 8 on query and value projections; decisions from the environments, which share
the beginnings of their prompts; phrases that share no beginning; and 2,000 actions. The ways, run in turn:

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
import time
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from benchmarks.pages.files import load, write
from twosome import Decision
from twosome._malloc import keep_freed_memory
from twosome.bench import requests
from twosome.bench.cells import MODES, measure
from twosome.bench.models import SIZES, put_random_adapters, random_llama, word_tokenizer
from twosome.errors import PromptTooLongError
from twosome.report.numbers import Number
from twosome.scoring import ActionScorer
from twosome.versions import versions

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
    """By model: a scorer for made-up requests and one for the environments' texts.

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
        yield {"kind": world}, {"scorer": worlds, "decisions": requests.env_decisions(world, 32), **LIMITS[model]}
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


def numbers(model: str, kind: str, cell: Mapping[str, Any]) -> Iterator[Number]:
    """A measured cell in the schema of the result files."""
    size = f"{cell['prompt_tokens']} x {cell['actions']}"
    world = f"{model}, {size if kind == 'grid' else f'{kind}: {size}'}"
    commit = str(versions()["commit"])
    for key in ("decisions", "prompt_tokens", "actions", "padded_tokens", "floor_tokens"):
        yield Number(key.replace("_", " "), world, mean=cell[key], commit=commit)
    worst = max(cell["largest_difference_nats"].values())
    yield Number("largest difference in nats", world, mean=worst, commit=commit)
    for mode in (mode for mode in MODES if mode in cell):
        found, told = cell[mode], mode.replace("_", " + ")
        for way, row in found["ways"].items():
            low, middle, high = row["wall_s"]
            yield Number(f"{told}: seconds", world, way, None, middle, (low, high), found["repeats"], commit)
            if row["peak_mib"] is not None:
                yield Number(f"{told}: peak MiB", world, way, mean=row["peak_mib"], commit=commit)
            if row["rows_timed"] < row["rows"]:
                share = row["rows_timed"] / row["rows"]
                yield Number(f"{told}: share of rows timed", world, way, mean=share, n=row["rows"], commit=commit)
        for pair, ratio in found["ratios"].items():
            low, middle, high = ratio["wall"]
            what = f"{told}: {pair.replace('/', ' / ')}"
            yield Number(what, world, "", None, middle, (low, high), found["repeats"], commit)


def main() -> None:
    """Measure every cell that is not there yet, and write after each."""
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
    rows = [] if options.fresh else list(load("scoring").numbers)
    for model in options.models:
        for name, arguments in cells(model, *found[model], options.prompts, options.actions):
            grid = f"{name.get('prompt')} x {len(arguments['decisions'][0].actions)}"
            title = f"{model}, {grid if name['kind'] == 'grid' else name['kind']}"
            if any(f"{row.world}:".startswith(f"{title}:") for row in rows):
                continue
            if not fits(arguments["scorer"], arguments["decisions"]):
                print(f"{title}: left out, longer than the model's context", flush=True)
                continue
            began = time.perf_counter()
            new = list(numbers(model, name["kind"], measure(**arguments)))
            ratios = [f"{row.what} {row.mean:.2f}" for row in new if " / " in row.what]
            print(f"{title}: {', '.join(ratios)}; {time.perf_counter() - began:.0f} s", flush=True)
            rows += new
            write("scoring", rows, threads=options.threads)


if __name__ == "__main__":
    main()
