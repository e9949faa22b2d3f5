"""What it brings that prompts which begin alike stand in one row, and what attention costs in such a row.

    python -m benchmarks.forest

Two measurements, each on the embedded model and on a random Llama of 58M parameters, one CPU thread:

- *pairs*: one forward, and one forward with backward, over the same number of tokens in rows of different length.
  The time grows linearly with the length of the rows; its slope over its intercept is what a pair of tokens costs,
  which `_PAIR_WEIGHT` in `twosome/scoring/packed.py` stands for.
- *sharing*: the policy minibatches of a real rollout, forward and backward, with rows that share and with one row for
  each decision, in turn.
"""

import argparse
import statistics
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from benchmarks.pages.files import WORLDS, write
from twosome import Decision, TrainConfig
from twosome.bench.compare import times_in_turn
from twosome.bench.models import SIZES, put_random_adapters, random_llama
from twosome.envs import text
from twosome.policy.lm_policy import LanguageModelPolicy
from twosome.ppo.train import Trainer
from twosome.report.numbers import Number
from twosome.scoring import ActionScorer, packed
from twosome.statistics import paired_ratio

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


def sharing(world: str, scorer: ActionScorer, batches: list[list[Decision]], repeats: int) -> list[Number]:
    """Seconds of all minibatches with and without sharing, and the tokens that pass through the model."""
    actor, weight = LanguageModelPolicy(scorer), packed._PAIR_WEIGHT

    def run(pair_weight: float) -> None:
        packed._PAIR_WEIGHT = pair_weight
        for batch in batches:
            torch.autograd.backward(actor.log_policy(batch).nan_to_num(neginf=0.0).sum())

    def tokens(pair_weight: float) -> int:
        packed._PAIR_WEIGHT = pair_weight
        rows = [scorer._rows(scorer._prepare(batch)[2]) for batch in batches]
        return sum(len(part) * max(row.length for row in part) for part in rows)

    # A pair so dear that no two decisions share a row.
    ways = {"shared": weight, "a row each": 1e9}
    times = processor_seconds({name: partial(run, w) for name, w in ways.items()}, repeats)
    low, middle, high = paired_ratio(times["a row each"], times["shared"])
    numbers = [Number("tokens", world, name, mean=tokens(w)) for name, w in ways.items()]
    packed._PAIR_WEIGHT = weight
    numbers += [
        Number("seconds", world, name, mean=round(statistics.median(found), 4), n=repeats)
        for name, found in times.items()
    ]
    return [*numbers, Number("a row each / shared", world, "", None, middle, (low, high), repeats)]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--models", nargs="+", choices=["hearth", "58M Llama"], default=["hearth", "58M Llama"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    batches = {env: minibatches(env) for env in WORLDS}
    numbers = []
    for name in options.models:
        scorer = scorers()[name]
        costs = pairs(scorer.model, 2048 if name == "hearth" else 1024, options.repeats)
        numbers += [Number(f"cost of a pair of tokens, {mode}", "", name, mean=cost) for mode, cost in costs.items()]
        for env in WORLDS:
            numbers += sharing(f"{name}, {env}", scorer, batches[env], options.repeats)
        print(*numbers, sep="\n", flush=True)
    write("forest", numbers, threads=1)


if __name__ == "__main__":
    main()
