"""How many decisions a real model takes in a second: scored by us, and what people would use otherwise.

    python -m benchmarks.real_model ~/.cache/twosome/models/gemma-3-270m
    python -m benchmarks.real_model ~/.cache/twosome/models/gemma-3-270m --gguf ./gemma-3-270m-q4_k_m.gguf

The same decisions, those that random play meets, with the same model and as many threads; the ways run in turn:

- ``packed``: `ActionScorer`, all decisions together; ``packed, one by one``: a decision in each call; both with the
  model in float32, and in bfloat16;
- ``padded``: every prompt with every action as a padded row, log-softmax over all logits;
- ``cached``: the prompts once with a key-value cache, copied for each action;
- ``generate``: Transformers' `generate` writes 12 tokens after each prompt at temperature 1, all prompts together. One
  text for each decision, which may say nothing valid; how many do stands beside it;
- ``llama.cpp``: with ``--gguf``, llama.cpp on the model's file (`benchmarks.llamacpp`): all decisions together; ``one
  by one``, each with a batch that has a sequence for each action; ``rewound``, one action after the other behind the
  cached prompt. It computes with rounded weights and activations, so its log-probabilities differ.

How far a way's log-probabilities are from packed ones is the largest difference of any action of a decision. Of padded
rows some are run, and their time is scaled up. Writes
benchmarks/results/real-model.json.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import llamacpp
from benchmarks.pages.files import write
from twosome._malloc import keep_freed_memory
from twosome.baselines.generate import said
from twosome.bench.cached import cached
from twosome.bench.compare import run_parts, times_in_turn
from twosome.bench.methods import Request, ScoringMethod, packed, padded
from twosome.bench.requests import env_decisions
from twosome.errors import TwosomeError
from twosome.report.numbers import Number
from twosome.scoring import ActionScorer
from twosome.setting_types import DType
from twosome.statistics import quartiles

WORLDS = ("TomatoSalad", "FoodPreparation")
DTYPES: tuple[DType, ...] = ("float32", "bfloat16")
MAX_NEW_TOKENS = 12
REPEATS = 3


def one_by_one(request: Request) -> ScoringMethod:
    """Packed, a call for each decision."""
    places = tuple(request.places)

    def score() -> torch.Tensor:
        rows = [request.scorer.score([decision]).logp[0] for decision in request.decisions]
        return torch.stack([rows[d][a] for d, a in places])

    return ScoringMethod("packed, one by one", (score,), places, len(places))


def generating(request: Request) -> tuple[Callable[[], torch.Tensor], Callable[[torch.Tensor], float]]:
    """What writes a text for each decision, and what says how many of these texts say a valid action."""
    prompts = [item.shared for item in request.spans]
    width = max(map(len, prompts))
    tokens = torch.zeros((len(prompts), width), dtype=torch.int64)
    mask = torch.zeros_like(tokens)
    for row, prompt in enumerate(prompts):
        tokens[row, width - len(prompt) :] = torch.tensor(prompt)
        mask[row, width - len(prompt) :] = 1
    scorer = request.scorer

    def write_texts() -> torch.Tensor:
        sampling: dict[str, Any] = {"do_sample": True, "top_k": 0, "top_p": 1.0, "temperature": 1.0}
        written: torch.Tensor = scorer.model.generate(
            input_ids=tokens, attention_mask=mask, max_new_tokens=MAX_NEW_TOKENS, pad_token_id=0, **sampling
        )
        return written[:, width:]

    def valid_share(written: torch.Tensor) -> float:
        texts = scorer.tokenizer.batch_decode(written, skip_special_tokens=True)
        found = [said(text, decision.actions) for text, decision in zip(texts, request.decisions, strict=True)]
        return float(np.mean([action is not None for action in found]))

    return write_texts, valid_share


@torch.no_grad()
def differences(way: ScoringMethod, reference: ScoringMethod) -> list[float]:
    """How far a way's log-probabilities are from the reference's, in nats: the largest of each decision's actions."""
    expected, found = (
        dict(zip(one.places, torch.cat([part() for part in one.parts]).tolist(), strict=True))
        for one in (reference, way)
    )
    largest: dict[int, float] = {}
    for (d, a), logp in found.items():
        largest[d] = max(largest.get(d, 0.0), abs(logp - expected[d, a]))
    return list(largest.values())


def measured(
    scorers: Sequence[ActionScorer], world: str, count: int, max_tokens: int, gguf: Path | None
) -> Iterator[Number]:
    """All ways on the decisions of an environment, with scorers of the same model in float32 and in bfloat16."""
    request, rounded = (Request.of(scorer, env_decisions(world, count)) for scorer in scorers)
    ways = [packed(request), one_by_one(request), padded(request, max_tokens), cached(request, max_tokens)]
    ways += [replace(way, name=f"{way.name}, bfloat16") for way in (packed(rounded), one_by_one(rounded))]
    ways += llamacpp.ways(request, gguf, torch.get_num_threads()) if gguf else []
    yield Number("decisions", world, mean=len(request.decisions))
    for way in ways[1:]:
        found = differences(way, ways[0])
        yield Number("largest difference in nats", world, way.name, mean=max(found))
        low, middle, high = quartiles(found)
        yield Number("difference in nats", world, way.name, mean=middle, interval=(low, high), n=len(found))
    write_texts, valid_share = generating(request)
    yield Number("share of valid texts", world, "generate", mean=valid_share(write_texts()), n=len(request.decisions))

    def work(way: ScoringMethod) -> Callable[[], Any]:
        return lambda: run_parts(way.parts, "forward", request.scorer.model)

    works: dict[str, Callable[[], Any]] = {way.name: work(way) for way in ways}
    works["generate"] = write_texts
    scales = {way.name: way.scale for way in ways}
    times, peaks = times_in_turn(works, request.scorer.device, budget_s=0, min_repeats=REPEATS, max_repeats=REPEATS)
    for name, pairs in times.items():
        for clock, place in (("wall", 0), ("processor", 1)):
            rates = [len(request.decisions) / (pair[place] * scales.get(name, 1.0)) for pair in pairs]
            low, middle, high = quartiles(rates)
            what = f"decisions per second, {clock}"
            yield Number(what, world, name, mean=middle, interval=(low, high), n=len(pairs))
        if not name.startswith("llama.cpp"):  # which holds its buffers from the beginning
            yield Number("peak MiB", world, name, mean=peaks[name])


def main() -> int:
    """Measure, print, and write after each environment."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a folder with the model")
    parser.add_argument("--gguf", type=Path, help="the same model for llama.cpp, which needs llama-cpp-python")
    parser.add_argument("--decisions", type=int, default=16, help="most decisions of an environment")
    parser.add_argument("--max-tokens", type=int, default=1500, help="of padded rows that are run")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(options.threads)
    rows: list[Number] = []
    try:
        scorers = [
            ActionScorer.from_pretrained(options.model, dtype=dtype, device="cpu", method="packed") for dtype in DTYPES
        ]
        for world in WORLDS:
            for number in measured(scorers, world, options.decisions, options.max_tokens, options.gguf):
                print(number.what, number.world, number.method, number.mean, flush=True)
                rows.append(number)
            write("real-model", rows, threads=options.threads)
    except TwosomeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
