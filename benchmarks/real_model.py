"""How many decisions a real model takes in a second: scored by us, and what people would use otherwise.

    python -m benchmarks.real_model ~/.cache/twosome/models/gemma-3-270m

The same decisions, those that random play meets, with the same model and as many threads; the ways run in turn:

- ``packed``: `ActionScorer`, all decisions together; ``packed, one by one``: a decision in each call;
- ``padded``: every prompt with every action as a padded row, log-softmax over all logits;
- ``cached``: the prompts once with a key-value cache, copied for each action;
- ``generate``: Transformers' `generate` writes 12 tokens after each prompt at temperature 1, all prompts together. One
  text for each decision, which may say nothing valid; how many do stands beside it.

Of padded rows some are run, and their time is scaled up. Writes
benchmarks/results/real-model.json.
"""

import argparse
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from benchmarks.pages.files import write
from twosome._malloc import keep_freed_memory
from twosome.baselines.generate import said
from twosome.bench.cached import cached
from twosome.bench.compare import largest_difference, run_parts, times_in_turn
from twosome.bench.methods import Request, ScoringMethod, packed, padded
from twosome.bench.requests import env_decisions
from twosome.report.numbers import Number
from twosome.scoring import ActionScorer
from twosome.statistics import quartiles

WORLDS = ("TomatoSalad", "FoodPreparation")
MAX_NEW_TOKENS = 12


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


def measured(scorer: ActionScorer, world: str, count: int, max_tokens: int) -> Iterator[Number]:
    """All ways on the decisions of an environment."""
    request = Request.of(scorer, env_decisions(world, count))
    ways = [packed(request), one_by_one(request), padded(request, max_tokens), cached(request, max_tokens)]
    yield Number("decisions", world, mean=len(request.decisions))
    for way, difference in largest_difference(ways, scorer.model).items():
        yield Number("largest difference in nats", world, way, mean=difference)
    write_texts, valid_share = generating(request)
    yield Number("share of valid texts", world, "generate", mean=valid_share(write_texts()), n=len(request.decisions))

    def work(way: ScoringMethod) -> Callable[[], Any]:
        return lambda: run_parts(way.parts, "forward", scorer.model)

    works: dict[str, Callable[[], Any]] = {way.name: work(way) for way in ways}
    works["generate"] = write_texts
    scales = {way.name: way.scale for way in ways}
    times, peaks = times_in_turn(works, scorer.device, budget_s=0, min_repeats=3, max_repeats=3)
    for name, pairs in times.items():
        for clock, place in (("wall", 0), ("processor", 1)):
            rates = [len(request.decisions) / (pair[place] * scales.get(name, 1.0)) for pair in pairs]
            low, middle, high = quartiles(rates)
            what = f"decisions per second, {clock}"
            yield Number(what, world, name, mean=middle, interval=(low, high), n=len(pairs))
        yield Number("peak MiB", world, name, mean=peaks[name])


def main() -> None:
    """Measure, print, and write after each environment."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a folder with the model")
    parser.add_argument("--decisions", type=int, default=16, help="most decisions of an environment")
    parser.add_argument("--max-tokens", type=int, default=1500, help="of padded rows that are run")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(options.threads)
    scorer = ActionScorer.from_pretrained(options.model, device="cpu", method="packed")
    rows: list[Number] = []
    for world in WORLDS:
        for number in measured(scorer, world, options.decisions, options.max_tokens):
            print(number.what, number.world, number.method, number.mean, flush=True)
            rows.append(number)
        write("real-model", rows, threads=options.threads)


if __name__ == "__main__":
    main()
