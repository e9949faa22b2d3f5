"""How much packing saves: scoring actions in packed rows against one padded row for each action.

A random Llama of 58M parameters (vocabulary 32 000, float32) scores 4 decisions of 110 prompt tokens and 8
actions. Three ways, in turn, so that other load on the machine meets all of them alike:

- ``packed``: `ActionScorer`, the prompt once and then the trie of its actions;
- ``padded``: every prompt with every action as a row, padded, log-softmax over all logits, as the paper's
  published code does it;
- ``plain``: one causal forward over as many tokens as the packed rows have, with logits at as many positions,
  and nothing else: the floor.

Forward alone under ``no_grad``, and forward with backward into LoRA adapters (rank 8, query and value).

    python benchmarks/scoring.py --output benchmarks/results/scoring.json

measures with the memory allocator's defaults and with freed memory kept (`twosome._malloc`), each in a process
of its own, by the wall clock and in processor time. On a machine that does other work at the same time, read the
processor time with ``--threads 1``: with more threads it includes their waiting for each other.
"""

import argparse
import datetime
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from twosome import Decision
from twosome._malloc import keep_freed_memory
from twosome.scoring import ActionScorer
from twosome.versions import hardware

VOCAB_SIZE = 32_000
PROMPT_TOKENS = 110
NUM_DECISIONS = 4
# What the eight actions of the three-vegetable kitchen are called while the hands are empty.
ACTIONS = (
    "pick up the tomato",
    "pick up the lettuce",
    "pick up the onion",
    "take the bowl",
    "walk to the first cutting board",
    "walk to the second cutting board",
    "walk to the serving counter",
    "chop the tomato",
)


def tokenizer() -> PreTrainedTokenizerFast:
    """One token for each word: the actions' words and as many others as the vocabulary holds."""
    words = list(dict.fromkeys(" ".join(ACTIONS).split()))
    words += [f"w{i}" for i in range(VOCAB_SIZE - len(words))]
    core = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="w0"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=core)


def model() -> Any:
    """A random Llama of 58M parameters with adapters that are not zero."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCAB_SIZE,
        hidden_size=512,
        intermediate_size=1376,
        num_hidden_layers=8,
        num_attention_heads=8,
        max_position_embeddings=512,
    )
    adapters = LoraConfig(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    with_adapters = get_peft_model(LlamaForCausalLM(config), adapters).eval()
    for name, parameter in with_adapters.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.02)
    return with_adapters


def decisions() -> list[Decision]:
    """Prompts of words without meaning, each with the same actions."""
    rng = np.random.default_rng(0)
    prompts = [
        " ".join(f"w{i}" for i in rng.integers(VOCAB_SIZE - 100, size=PROMPT_TOKENS)) for _ in range(NUM_DECISIONS)
    ]
    return [Decision(prompt, ACTIONS) for prompt in prompts]


def padded_rows(scorer: ActionScorer, batch: list[Decision]) -> Callable[[], torch.Tensor]:
    """Score every action as a padded row of its own, with logits of all tokens."""
    spans = [scorer.encoder.encode(decision) for decision in batch]
    rows = [(item.shared, action) for item in spans for action in item.actions]
    width = max(len(shared) + len(action) for shared, action in rows)
    tokens = torch.zeros((len(rows), width), dtype=torch.int64)
    is_token = torch.zeros_like(tokens)
    is_action = torch.zeros((len(rows), width - 1), dtype=torch.bool)
    for i, (shared, action) in enumerate(rows):
        length = len(shared) + len(action)
        tokens[i, :length] = torch.tensor([*shared, *action])
        is_token[i, :length] = 1
        is_action[i, len(shared) - 1 : length - 1] = True

    def score() -> torch.Tensor:
        logits = scorer.model(input_ids=tokens, attention_mask=is_token, use_cache=False).logits
        logp = torch.log_softmax(logits[:, :-1], dim=-1).gather(-1, tokens[:, 1:, None])[..., 0]
        return (logp * is_action).sum(dim=-1).view(len(batch), -1)

    return score


def plain_forward(scorer: ActionScorer, batch: list[Decision]) -> tuple[Callable[[], torch.Tensor], int, int]:
    """One causal forward over as many tokens, logits at as many positions; and these two numbers."""
    rows = scorer._rows(scorer._prepare(batch)[2])
    tokens = torch.randint(VOCAB_SIZE, (len(rows), max(row.length for row in rows)))
    num_kept = max(row.num_slots for row in rows)

    def forward() -> torch.Tensor:
        logits: torch.Tensor = scorer.model(input_ids=tokens, use_cache=False, logits_to_keep=num_kept).logits
        return logits

    return forward, tokens.numel(), num_kept * len(rows)


def seconds(run: Callable[[], Any]) -> tuple[float, float]:
    """Wall-clock and processor time of one run."""
    wall, processor = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall, time.process_time() - processor


def measure(threads: int, repeats: int, keep: bool) -> dict[str, Any]:
    """All ways in turn, `repeats` times, each after one run that is not timed."""
    kept = keep and keep_freed_memory()
    torch.set_num_threads(threads)
    scorer = ActionScorer(model(), tokenizer(), name="58M Llama", method="packed")
    batch = decisions()
    padded = padded_rows(scorer, batch)
    plain, num_tokens, num_kept = plain_forward(scorer, batch)
    ways: dict[str, Callable[[], torch.Tensor]] = {
        "packed": lambda: scorer.score(batch).logp,
        "padded": padded,
        "plain": plain,
    }
    with torch.no_grad():
        difference = float((ways["packed"]() - ways["padded"]()).abs().max())

    def forward(run: Callable[[], torch.Tensor]) -> None:
        with torch.no_grad():
            run()

    def forward_backward(run: Callable[[], torch.Tensor]) -> None:
        scorer.model.zero_grad(set_to_none=True)
        run().sum().backward()

    passes = {"forward": forward, "forward_backward": forward_backward}
    times: dict[str, dict[str, list[tuple[float, float]]]] = {mode: {way: [] for way in ways} for mode in passes}
    for _ in range(repeats):
        for mode, work in passes.items():
            for way, run in ways.items():
                work(run)  # not timed: the way before left other memory and caches behind
                times[mode][way].append(seconds(lambda work=work, run=run: work(run)))
    return {
        "freed_memory_kept": kept,
        "parameters": sum(p.numel() for name, p in scorer.model.named_parameters() if "lora_" not in name),
        "packed_tokens": num_tokens,
        "logit_positions": num_kept,
        "padded_tokens": NUM_DECISIONS * len(ACTIONS) * (PROMPT_TOKENS + max(len(a.split()) for a in ACTIONS)),
        "largest_difference_nats": difference,
        **{mode: summary(times[mode]) for mode in passes},
    }


def summary(times: dict[str, list[tuple[float, float]]]) -> dict[str, Any]:
    """Medians and quartiles in seconds, and ratios of the medians."""
    document: dict[str, Any] = {}
    for place, clock in enumerate(("wall", "processor")):
        values = {way: [pair[place] for pair in pairs] for way, pairs in times.items()}
        quartiles = {way: [round(q, 4) for q in statistics.quantiles(values[way], n=4)] for way in values}
        median = {way: statistics.median(values[way]) for way in values}
        document[clock] = {
            **{f"{way}_s": {"quartiles": quartiles[way]} for way in values},
            "padded_over_packed": round(median["padded"] / median["packed"], 2),
            "packed_over_plain": round(median["packed"] / median["plain"], 2),
        }
    return document


def main() -> None:
    """Measure in fresh processes and write one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--allocator", choices=["both", "default", "kept"], default="both")
    options = parser.parse_args()
    if options.allocator != "both":
        print(json.dumps(measure(options.threads, options.repeats, options.allocator == "kept")))
        return
    common = [f"--threads={options.threads}", f"--repeats={options.repeats}"]
    results = {}
    for allocator in ("default", "kept"):
        command = [sys.executable, __file__, *common, f"--allocator={allocator}"]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        results[allocator] = json.loads(output.splitlines()[-1])
    document = {
        "command": "python benchmarks/scoring.py " + " ".join(common),
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "cpu": hardware()["cpu"],
        "threads": options.threads,
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
        "allocator_default": results["default"],
        "allocator_keeping_freed_memory": results["kept"],
    }
    text = json.dumps(document, indent=2)
    print(text)
    if options.output:
        options.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
