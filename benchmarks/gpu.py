"""What a GPU makes of it, in one go: models of real shapes with random weights, for speed depends on shapes.

    python -m benchmarks.gpu                                                    # on a GPU
    python -m benchmarks.gpu --models tiny --device cpu --output rehearsal.json # anywhere: does it all run?

Prompts of 300 tokens with 10 actions, adapters of rank 8, bfloat16. For each shape:

- *scoring*: actions per second, packed and as padded rows, and peak memory;
- *update*: the same with a backward pass into the adapters, and MFU: the operations that any exact method needs, over
  what the device could do in that time. Weights are frozen, so that a token costs 4 operations for each weight, 2
  forward and 2 backward; attention is not counted, which makes it a little too low;
- *attention*: the packed row's mask as a dense matrix and as FlexAttention's blocks, at growing lengths;
- *8bit*, *4bit*: loading through bitsandbytes, and scoring.

What is measured goes to the result file at once, and is not measured again when the command is given again; a part that
fails says why and is tried again then. Nobody has run it on a GPU yet.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention
from torch.nn.functional import scaled_dot_product_attention
from transformers import AutoConfig, AutoModelForCausalLM

from benchmarks.pages.files import RESULTS
from twosome.bench import requests
from twosome.bench.compare import largest_difference, run_parts, times_in_turn
from twosome.bench.memory import peak_mib
from twosome.bench.methods import Request, ScoringMethod, floor_size, packed, padded
from twosome.bench.models import put_random_adapters, word_tokenizer
from twosome.report.numbers import Number, Results
from twosome.scoring import ActionScorer
from twosome.scoring.attention import tree_mask
from twosome.scoring.forest import pack
from twosome.scoring.packed import row_costs
from twosome.scoring.trie import build_tries
from twosome.statistics import quartiles

PROMPT_TOKENS, ACTIONS = 300, 10

PEAK_FLOPS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "4090": 165e12}
"""What devices do in a second in bfloat16, dense, by a part of their name."""


@dataclass(frozen=True)
class Shape:
    """A model of a certain size, and how much is measured with it.

    Attributes:
        family: of the model.
        settings: of the family's config.
        decisions: that are scored at once.
        lengths: at which attention is timed.
        budget_s: how long each comparison is repeated, beyond the first three times.
    """

    family: str
    settings: Mapping[str, int]
    decisions: int
    lengths: tuple[int, ...] = (512, 2048, 8192)
    budget_s: float = 5.0


def _settings(width: int, layers: int, heads: int, kv_heads: int, head: int, inner: int, vocab: int) -> dict[str, int]:
    return {
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "head_dim": head,
        "intermediate_size": inner,
        "vocab_size": vocab,
    }


SHAPES = {
    "gemma3-270m": Shape("gemma3_text", _settings(640, 18, 4, 1, 256, 2048, 262_144), 64),
    "qwen3-0.6b": Shape("qwen3", _settings(1024, 28, 16, 8, 128, 3072, 151_936), 64),
    "llama-7b": Shape("llama", _settings(4096, 32, 32, 32, 128, 11_008, 32_000), 16),
    "tiny": Shape("llama", _settings(64, 2, 2, 2, 32, 96, 1000), 2, (320,), 0.0),
}
"""The last one is for rehearsals."""


class Bench:
    """A shape's model, made when it is first needed.

    Args:
        shape: of the model.
        device: where it runs.
    """

    def __init__(self, shape: Shape, device: torch.device) -> None:
        self.shape, self.device = shape, device
        self.request = cache(self._request)

    def _request(self) -> Request:
        config = AutoConfig.for_model(self.shape.family, **self.shape.settings, max_position_embeddings=8192)
        torch.manual_seed(0)
        make: Any = AutoModelForCausalLM
        with self.device:
            model = make.from_config(config, dtype=torch.bfloat16)
        scorer = self._scorer(model.eval(), max_tokens_per_forward=65_536)
        put_random_adapters(scorer)
        return self._decisions(scorer)

    def _scorer(self, model: Any, **options: Any) -> ActionScorer:
        tokenizer = word_tokenizer(requests.WORDS, self.shape.settings["vocab_size"])
        return ActionScorer(model, tokenizer, method="packed", **options)

    def _decisions(self, scorer: ActionScorer) -> Request:
        made = requests.decisions(scorer, self.shape.decisions, PROMPT_TOKENS, requests.phrases(ACTIONS))
        return Request.of(scorer, made)

    # -- what is measured ------------------------------------------------------------------------------

    def scoring(self) -> Iterator[Number]:
        """Packed beside padded rows, without gradients."""
        request = self.request()
        ways = [packed(request), padded(request, 100_000)]
        for name, difference in largest_difference(ways, request.scorer.model).items():
            yield Number("largest difference in nats", method=name, mean=difference)
        works: dict[str, Callable[[], Any]] = {way.name: self._work(way, backward=False) for way in ways}
        times, peaks = times_in_turn(works, self.device, budget_s=self.shape.budget_s)
        for way in ways:
            seconds = [pair[0] * way.scale for pair in times[way.name]]
            yield _rate("actions per second", way.name, len(request.places), seconds)
            yield Number("scoring: peak MiB", method=way.name, mean=peaks[way.name])

    def update(self) -> Iterator[Number]:
        """Packed rows with a backward pass into the adapters."""
        request = self.request()
        times, peaks = times_in_turn(
            {"packed": self._work(packed(request), backward=True)}, self.device, budget_s=self.shape.budget_s
        )
        seconds = [pair[0] for pair in times["packed"]]
        yield _rate("update: actions per second", "packed", len(request.places), seconds)
        yield Number("update: peak MiB", method="packed", mean=peaks["packed"])
        tokens, slots = floor_size(request.spans)
        config, model = request.scorer.model.config, request.scorer.model
        layers = [m for name, m in model.named_modules() if isinstance(m, nn.Linear) and "lora_" not in name]
        weights = sum(layer.weight.numel() for layer in layers) - config.hidden_size * config.vocab_size
        operations = 4 * (weights * tokens + config.hidden_size * config.vocab_size * slots)
        yield _rate("update: TFLOP/s", "packed", operations / 1e12, seconds)
        if peak := self._peak_flops():
            yield _rate("update: MFU", "packed", operations / peak, seconds)

    def attention(self) -> Iterator[Number]:
        """The mask of a packed row, dense and in blocks, in attention with 16 heads of 64."""
        compiled: Any = torch.compile(flex_attention) if self.device.type == "cuda" else flex_attention
        for length in self.shape.lengths:
            order, ends = _row_of(length)
            order, ends = order.to(self.device), ends.to(self.device)
            dense = tree_mask(order[None], ends[None])

            def sees(_: Any, __: Any, query: Any, key: Any, order: Tensor = order, ends: Tensor = ends) -> Any:
                return (order[key] <= order[query]) & (order[query] < ends[key])

            blocks = create_block_mask(sees, None, None, len(order), len(order), device=str(self.device))
            q, k, v = torch.randn(3, 1, 16, len(order), 64, device=self.device, dtype=torch.bfloat16).unbind(0)
            works: dict[str, Callable[[], Tensor]] = {
                "dense mask": partial(scaled_dot_product_attention, q, k, v, attn_mask=dense),
                "FlexAttention": partial(compiled, q, k, v, block_mask=blocks),
            }
            difference = (works["dense mask"]() - works["FlexAttention"]()).abs().max().item()
            yield Number(f"attention, {length} tokens: largest difference", mean=difference)
            times, peaks = times_in_turn(works, self.device, budget_s=self.shape.budget_s)
            for name, pairs in times.items():
                low, middle, high = quartiles([1000 * pair[0] for pair in pairs])
                yield Number(f"attention, {length} tokens: ms", "", name, None, middle, (low, high), len(pairs))
                yield Number(f"attention, {length} tokens: peak MiB", method=name, mean=peaks[name])

    def quantized(self, bits: str) -> Iterator[Number]:
        """Loading in fewer bits, and scoring."""
        request = self.request()
        with tempfile.TemporaryDirectory() as folder:
            request.scorer.model.get_base_model().save_pretrained(folder)
            request.scorer.tokenizer.save_pretrained(folder)
            found: list[ActionScorer] = []

            def load() -> None:
                options: Any = {"quantization": bits, "method": "packed", "device": str(self.device)}
                found.append(ActionScorer.from_pretrained(folder, **options))

            began = time.perf_counter()
            peak = peak_mib(load, self.device)
            yield Number(f"{bits}: seconds to load", mean=time.perf_counter() - began)
            yield Number(f"{bits}: peak MiB of loading", mean=peak)
        other = self._decisions(found[0])
        times, _ = times_in_turn(
            {"packed": self._work(packed(other), backward=False)}, self.device, budget_s=self.shape.budget_s
        )
        yield _rate(f"{bits}: actions per second", "packed", len(other.places), [pair[0] for pair in times["packed"]])

    def _work(self, way: ScoringMethod, *, backward: bool) -> Callable[[], Any]:
        model = self.request().scorer.model
        return lambda: run_parts(way.parts, "forward_backward" if backward else "forward", model)

    def _peak_flops(self) -> float | None:
        if self.device.type != "cuda":
            return None
        name = torch.cuda.get_device_name(self.device)
        return next((flops for part, flops in PEAK_FLOPS.items() if part in name), None)

    def parts(self) -> dict[str, Callable[[], Iterator[Number]]]:
        """What is measured, by name."""
        made = {"scoring": self.scoring, "update": self.update, "attention": self.attention}
        if self.device.type != "cuda":
            return made
        return {**made, "8bit": lambda: self.quantized("8bit"), "4bit": lambda: self.quantized("4bit")}


def _rate(what: str, method: str, count: float, seconds: list[float]) -> Number:
    low, middle, high = quartiles([count / each for each in seconds])
    return Number(what, method=method, mean=middle, interval=(low, high), n=len(seconds))


def _row_of(length: int) -> tuple[Tensor, Tensor]:
    """Order and ends of a packed row of about so many tokens: a prompt and ten actions of five."""
    config = AutoConfig.for_model("llama", **_settings(64, 2, 2, 2, 32, 96, 1000))
    actions = [(i + 1, 11, 12, 13, 14) for i in range(ACTIONS)]
    tries = build_tries(range(20, 20 + length - 4 * ACTIONS), actions)
    (row,) = pack(tries, row_costs(config, 2 * length))
    return torch.from_numpy(row.order), torch.from_numpy(row.ends)


def measure(name: str, device: torch.device, output: Path, report: Callable[[str], object] = print) -> None:
    """Measure what is not in the result file yet, and write after each part."""
    bench = Bench(SHAPES[name], device)
    for part, numbers in bench.parts().items():
        rows = list(Results.load(output).numbers) if output.exists() else []
        world = f"{name}, {part}"
        if any(row.world == world for row in rows):
            continue
        began = time.perf_counter()
        try:
            new = [Number(**{**vars(number), "world": world}) for number in numbers()]
        except (RuntimeError, ImportError, ValueError) as error:  # too large for the device, or not known to it
            report(f"{world}: failed, {type(error).__name__}: {error}")
            continue
        report(f"{world}: {len(new)} numbers in {time.perf_counter() - began:.0f} s")
        where = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
        command = f"python -m benchmarks.gpu --models {name}"
        made = Results.measured(command, [*rows, *new])
        Results(made.command, made.date, made.commit, {**made.hardware, "device": where}, made.numbers).save(output)


def main() -> None:
    """Measure each shape."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=[*SHAPES], default=[name for name in SHAPES if name != "tiny"])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--output", type=Path, default=RESULTS / "gpu.json")
    options = parser.parse_args()
    for name in options.models:
        measure(name, torch.device(options.device), options.output)


if __name__ == "__main__":
    main()
