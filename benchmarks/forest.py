"""What it brings that prompts which begin alike stand in one row, and what attention costs in such a row.

    python benchmarks/forest.py

Two measurements, each on the embedded model and on a random Llama of 58M parameters, one CPU thread:

- *pairs*: one forward, and one forward with backward, over the same number of tokens in rows of different length.
  The time grows linearly with the length of the rows; its slope over its intercept is what a pair of tokens costs,
  which `_PAIR_WEIGHT` in `twosome/scoring/packed.py` stands for.
- *sharing*: the policy minibatches of a real rollout, forward and backward, with rows that share and with one row for
  each decision, in turn.

And two alternatives, on the embedded model: its layers through ``torch.compile``, and whether FlexAttention can train
on this machine.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from twosome import Decision, TrainConfig
from twosome.bench.compare import times_in_turn
from twosome.bench.document import document
from twosome.bench.models import SIZES, put_random_adapters, random_llama
from twosome.envs import text
from twosome.policy.actor import Actor
from twosome.ppo.train import Trainer
from twosome.scoring import ActionScorer, packed

RESULT = Path(__file__).parent / "results" / "forest.json"
WORLDS = ("TomatoSalad", "TomatoLettuceSalad", "FoodPreparation", "Entertainment")
LENGTHS = (64, 128, 256, 512, 1024)


def scorers() -> dict[str, ActionScorer]:
    """The embedded model, and a larger one that reads the same tokens; both with adapters."""
    hearth = ActionScorer.from_pretrained("hearth")
    large = ActionScorer(random_llama(SIZES["58M"]), hearth.tokenizer, name="58M Llama", method="packed")
    for scorer in (hearth, large):
        put_random_adapters(scorer)
    return {"hearth": hearth, "58M Llama": large}


def processor_seconds(ways: dict[str, Callable[[], Any]], repeats: int) -> dict[str, list[float]]:
    """Processor time of each way, all ways in turn."""
    limits: dict[str, Any] = {"budget_s": 0.0, "min_repeats": repeats, "max_repeats": repeats}
    times, _ = times_in_turn(ways, torch.device("cpu"), **limits)
    return {name: [processor for _, processor in pairs] for name, pairs in times.items()}


def pairs(model: Any, num_tokens: int, repeats: int) -> dict[str, float]:
    """Tokens outside attention that one pair inside it is worth, times 6 D: the weight of a pair."""

    def work(length: int, backward: bool) -> Callable[[], None]:
        shape = (num_tokens // length, length)
        tokens = torch.randint(700, shape)
        mask = torch.ones(length, length).tril().bool().expand(shape[0], 1, length, length)
        positions = torch.arange(length).expand(shape)

        def run() -> None:
            with torch.set_grad_enabled(backward):
                inputs = {"input_ids": tokens, "attention_mask": mask, "position_ids": positions}
                out = model(**inputs, use_cache=False, logits_to_keep=1).logits.sum()
            if backward:
                out.backward()

        return run

    result = {}
    for name, backward in (("forward", False), ("forward_backward", True)):
        times = processor_seconds({str(n): work(n, backward) for n in LENGTHS}, repeats)
        slope, intercept = np.polyfit(LENGTHS, [min(times[str(n)]) for n in LENGTHS], 1)
        result[name] = round(float(slope / intercept * 6 * model.config.hidden_size), 2)
    return result


def minibatches(env: str) -> list[list[Decision]]:
    """The policy minibatches of the first rollout with the default settings."""
    trainer = Trainer(replace(TrainConfig(env=env), env=text.resolve(env)))
    rollout = trainer.collector.collect(trainer.actor, trainer.config.rollout_steps, trainer.rng)
    decisions = [decision for row in rollout.decisions for decision in row]
    return [[decisions[i] for i in part] for part in trainer._minibatches(trainer.config.policy_minibatches)]


def sharing(scorer: ActionScorer, batches: list[list[Decision]], repeats: int) -> dict[str, Any]:
    """Seconds of all minibatches with and without sharing, and the tokens that pass through the model."""
    actor, weight = Actor(scorer), packed._PAIR_WEIGHT

    def run(pair_weight: float) -> None:
        packed._PAIR_WEIGHT = pair_weight
        for batch in batches:
            torch.autograd.backward(actor.log_policy(batch).nan_to_num(neginf=0.0).sum())

    def tokens(pair_weight: float) -> int:
        packed._PAIR_WEIGHT = pair_weight
        rows = [scorer._rows(scorer._prepare(batch)[2]) for batch in batches]
        return sum(len(part) * max(row.length for row in part) for part in rows)

    # A pair so dear that no two decisions share a row.
    ways = {"shared": weight, "alone": 1e9}
    times = processor_seconds({name: partial(run, w) for name, w in ways.items()}, repeats)
    ratios = [a / b for a, b in zip(times["alone"], times["shared"], strict=True)]
    counts = {f"{name}_tokens": tokens(w) for name, w in ways.items()}
    packed._PAIR_WEIGHT = weight
    return {
        **counts,
        **{f"{name}_s": round(statistics.median(values), 4) for name, values in times.items()},
        "ratio_quartiles": [round(q, 2) for q in statistics.quantiles(ratios, n=4)],
    }


def compiled(scorer: ActionScorer, batches: list[list[Decision]], repeats: int) -> dict[str, float]:
    """Seconds of all minibatches before and after compiling the layers, and what compiling took."""
    actor = Actor(scorer)

    def run() -> None:
        for batch in batches:
            torch.autograd.backward(actor.log_policy(batch).nan_to_num(neginf=0.0).sum())

    eager = processor_seconds({"eager": run}, repeats)["eager"]
    for layer in scorer.model.get_base_model().model.layers:
        layer.compile(dynamic=True)
    start = time.perf_counter()
    run()
    spent = time.perf_counter() - start
    after = processor_seconds({"compiled": run}, repeats)["compiled"]
    return {
        "eager_s": round(statistics.median(eager), 4),
        "compiled_s": round(statistics.median(after), 4),
        "compiling_s": round(spent, 1),
    }


def flex_attention_fault() -> str | None:
    """What FlexAttention says when it should train here; None where it can."""
    query, key, value = (torch.randn(1, 2, 128, 32, requires_grad=True) for _ in range(3))
    mask = create_block_mask(lambda _b, _h, q, k: q >= k, 1, 1, 128, 128, device="cpu")
    try:
        torch.autograd.backward(torch.compile(flex_attention)(query, key, value, block_mask=mask).sum())
    except (NotImplementedError, RuntimeError) as error:
        return str(error).splitlines()[0]
    return None


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--models", nargs="+", choices=["hearth", "58M Llama"], default=["hearth", "58M Llama"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    os.environ["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"  # what an earlier run compiled would hide the time
    batches = {env: minibatches(env) for env in WORLDS}
    models = {}
    for name in options.models:
        scorer = scorers()[name]
        num_tokens = 2048 if name == "hearth" else 1024
        models[name] = {
            "pair_weight": pairs(scorer.model, num_tokens, options.repeats),
            "worlds": {env: sharing(scorer, batches[env], options.repeats) for env in WORLDS},
        }
        print(name, json.dumps(models[name], indent=1))
    alternatives = {
        "compile": compiled(scorers()["hearth"], batches["TomatoLettuceSalad"], options.repeats),
        "flex_attention_fault": flex_attention_fault(),
    }
    print(alternatives)
    command = " ".join(["python", "benchmarks/forest.py", *sys.argv[1:]])
    result = document(command, {"models": models, "alternatives": alternatives})
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
