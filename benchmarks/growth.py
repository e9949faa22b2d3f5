"""How time and memory grow: with the prompt, the actions, the decisions, the model, and the environments.

    python benchmarks/growth.py

Packed scoring, forward and backward, of a random Llama of 58M parameters, one size varied at a time; then the model's
own size, with a small vocabulary, so that its layers decide; then whole iterations of training with hearth on
TomatoLettuceSalad against the number of environments. The points of a curve run in turn. Each curve comes with the
exponent that fits it best, its interval, and the exponent of what the arithmetic says, counted from shapes and
fitted to the same points. The result goes to benchmarks/results/growth.json.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from twosome import Decision
from twosome._malloc import keep_freed_memory
from twosome.bench import requests
from twosome.bench.compare import run_parts, times_in_turn
from twosome.bench.document import document
from twosome.bench.models import SIZES, Size, put_random_adapters, random_llama, word_tokenizer
from twosome.bench.theory import arithmetic, kept_numbers
from twosome.bench.ways import Request, packed
from twosome.config import TrainConfig
from twosome.ppo.train import Trainer
from twosome.scoring import ActionScorer
from twosome.statistics import exponent, quartiles

RESULT = Path(__file__).parent / "results" / "growth.json"
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


def scoring_curve(points: list[Point], budget_s: float) -> dict[str, Any]:
    """Time and memory at each point, with exponents."""
    works: dict[str, Callable[[], Any]] = {}
    counted, kept = [], []
    for x, scorer, size, decisions in points:
        request = Request.of(scorer, decisions)
        way = packed(request)
        works[str(x)] = partial(run_parts, way.parts, "forward_backward", scorer.model)
        counted.append(arithmetic(size, request.spans))
        kept.append(kept_numbers(size, request.spans))
    times, peaks = times_in_turn(works, torch.device("cpu"), budget_s=budget_s)
    seconds = [quartiles([pair[0] for pair in times[name]]) for name in works]
    sizes, memory = [x for x, *_ in points], [peaks[name] for name in works]
    return {
        "sizes": sizes,
        "wall_s": seconds,
        "peak_mib": memory,
        "time": {**exponent(sizes, [row[1] for row in seconds]), "theory": exponent(sizes, counted)["exponent"]},
        "memory": {**exponent(sizes, [m or 0.1 for m in memory]), "theory": exponent(sizes, kept)["exponent"]},
    }


def environments_curve(budget_s: float) -> dict[str, Any]:
    """Whole iterations of training against the number of environments, 32 decisions in each."""
    trainers = {
        str(n): Trainer(TrainConfig(env="twosome/TomatoLettuceSalad-v0", num_envs=n, threads=1, target_kl=0.0))
        for n in ENVIRONMENTS
    }
    works: dict[str, Callable[[], Any]] = {name: trainer.step for name, trainer in trainers.items()}
    times, peaks = times_in_turn(works, torch.device("cpu"), budget_s=budget_s)
    seconds = [quartiles([pair[0] for pair in times[name]]) for name in works]
    return {
        "sizes": list(ENVIRONMENTS),
        "wall_s": seconds,
        "peak_mib": [peaks[name] for name in works],
        # At most in proportion: decisions that several environments share are computed once.
        "time": {**exponent(ENVIRONMENTS, [row[1] for row in seconds]), "theory": 1.0},
    }


def main() -> None:
    """Measure every curve and write one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--budget", type=float, default=25.0, help="seconds for the repeats of a curve")
    options = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(options.threads)
    curves = {}
    for name, points in scoring_axes().items():
        began = time.perf_counter()
        curves[name] = scoring_curve(points, options.budget)
        print(f"{name}: time {curves[name]['time']}, memory {curves[name]['memory']}", flush=True)
        print(f"  {time.perf_counter() - began:.0f} s", flush=True)
    curves["environments"] = environments_curve(options.budget)
    print(f"environments: time {curves['environments']['time']}", flush=True)
    command = " ".join(["python", "benchmarks/growth.py", *sys.argv[1:]])
    result = document(command, {"threads": options.threads, "curves": curves})
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
