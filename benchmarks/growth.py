"""How time and memory grow: with the prompt, the actions, the decisions, the model, and the environments.

    python -m benchmarks.growth

Packed scoring, forward and backward, of a random Llama of 58M parameters, one size varied at a time; then the model's
own size, with a small vocabulary, so that its layers decide; then whole iterations of training with hearth on
TomatoLettuceSalad against the number of environments. The points of a curve run in turn. Each curve comes with the
exponent that fits it best, its interval, and the exponent of what the arithmetic says, counted from shapes and
fitted to the same points. The result goes to benchmarks/results/growth.json.
"""

import argparse
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch

from benchmarks.pages.files import write
from twosome import Decision
from twosome._malloc import keep_freed_memory
from twosome.bench import requests
from twosome.bench.compare import run_parts, times_in_turn
from twosome.bench.methods import Request, packed
from twosome.bench.models import SIZES, Size, put_random_adapters, random_llama, word_tokenizer
from twosome.bench.theory import arithmetic, kept_numbers
from twosome.config import TrainConfig
from twosome.ppo.train import Trainer
from twosome.report.numbers import Number
from twosome.scoring import ActionScorer
from twosome.statistics import exponent, quartiles

PROMPTS = (32, 64, 128, 256, 512, 1024, 2048)
ACTIONS = (8, 32, 128, 512, 2048)
DECISIONS = (1, 2, 4, 8, 16)
MODELS = ("1M", "6M", "27M", "117M")
ENVIRONMENTS = (1, 2, 4, 8, 16)
Point = tuple[float, ActionScorer, Size, list[Decision]]
"""Where on the axis; what is scored with which model."""


def scorer_of(size: Size) -> ActionScorer:
    """A random model with adapters, one token for each word."""
    scorer = ActionScorer(random_llama(size), word_tokenizer(requests.WORDS, size.vocab_size))
    put_random_adapters(scorer)
    return scorer


def scoring_axes() -> dict[str, list[Point]]:
    """The points of each curve of scoring."""
    size = SIZES["58M"]
    large = scorer_of(size)

    def batch(scorer: ActionScorer, count: int, prompt_tokens: int, num_actions: int) -> list[Decision]:
        return requests.decisions(scorer, count, prompt_tokens, requests.phrases(num_actions))

    models = [(SIZES[name], scorer_of(SIZES[name])) for name in MODELS]
    return {
        "prompt tokens": [(n, large, size, batch(large, 1, n, 8)) for n in PROMPTS],
        "actions": [(n, large, size, batch(large, 1, 110, n)) for n in ACTIONS],
        "distinct decisions": [(n, large, size, batch(large, n, 110, 8)) for n in DECISIONS],
        "parameters of the layers": [(s.matmul_parameters, one, s, batch(one, 4, 110, 8)) for s, one in models],
    }


def scoring_curve(name: str, points: list[Point], budget_s: float) -> list[Number]:
    """Time and memory at each point, with exponents."""
    works: dict[str, Callable[[], Any]] = {}
    counted, kept = [], []
    for x, scorer, size, decisions in points:
        request = Request.of(scorer, decisions)
        works[str(x)] = partial(run_parts, packed(request).parts, "forward_backward", scorer.model)
        counted.append(arithmetic(size, request.spans))
        kept.append(kept_numbers(size, request.spans))
    sizes = [x for x, *_ in points]
    theory = {"time": exponent(sizes, counted)["exponent"], "memory": exponent(sizes, kept)["exponent"]}
    return curve(name, sizes, works, theory, budget_s)


def environments_curve(budget_s: float) -> list[Number]:
    """Whole iterations of training against the number of environments, 32 decisions in each."""
    trainers = {
        str(n): Trainer(TrainConfig(env="twosome/TomatoLettuceSalad-v0", num_envs=n, threads=1, target_kl=0.0))
        for n in ENVIRONMENTS
    }
    works: dict[str, Callable[[], Any]] = {name: trainer.step for name, trainer in trainers.items()}
    # At most in proportion: decisions that several environments share are computed once.
    return curve("environments", ENVIRONMENTS, works, {"time": 1.0}, budget_s)


def curve(
    name: str,
    sizes: Sequence[float],
    works: Mapping[str, Callable[[], Any]],
    theory: Mapping[str, float],
    budget_s: float,
) -> list[Number]:
    """Seconds and memory of works of these sizes, and the exponents that fit, beside those of the arithmetic."""
    times, peaks = times_in_turn(works, torch.device("cpu"), budget_s=budget_s)
    numbers, costs = [], defaultdict[str, list[float]](list)
    for size in works:
        low, middle, high = quartiles([wall for wall, _ in times[size]])
        numbers.append(Number("seconds", name, size, None, middle, (low, high), len(times[size])))
        numbers.append(Number("peak MiB", name, size, mean=peaks[size]))
        costs["time"].append(middle)
        costs["memory"].append(peaks[size] or 0.1)
    for what, expected in theory.items():
        found = exponent(sizes, costs[what])
        low, high = found["ci95"]
        numbers.append(
            Number(f"exponent of {what}", name, "measured", None, found["exponent"], (low, high), len(sizes))
        )
        numbers.append(Number(f"exponent of {what}", name, "arithmetic", mean=expected))
        print(f"{name}: exponent of {what} {found['exponent']:.2f}, arithmetic {expected:.2f}", flush=True)
    return numbers


def main() -> None:
    """Measure every curve and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--budget", type=float, default=25.0, help="seconds for the repeats of a curve")
    options = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(options.threads)
    axes = scoring_axes().items()
    numbers = [number for name, points in axes for number in scoring_curve(name, points, options.budget)]
    write("growth", [*numbers, *environments_curve(options.budget)], threads=options.threads)


if __name__ == "__main__":
    main()
