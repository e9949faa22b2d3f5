"""How many decisions a real model takes in a second: scored by us, and what people would use otherwise.

    python -m benchmarks.real_model ~/.cache/twosome/models/gemma-3-270m
    python -m benchmarks.real_model ~/.cache/twosome/models/gemma-3-270m --gguf gemma-3-270m-q4_k_m.gguf

The same decisions, those that random play meets, with the same model and as many threads; the ways run in turn:

- ``packed``: `ActionScorer`, all decisions together; ``packed, one by one``: a decision in each call;
- ``padded``: every prompt with every action as a padded row, log-softmax over all logits;
- ``cached``: the prompts once with a key-value cache, copied for each action;
- ``generate``: Transformers' `generate` writes 12 tokens after each prompt at temperature 1, all prompts together. One
  text for each decision, which may say nothing valid; how many do stands beside it;
- ``llama.cpp``: with --gguf, through llama-cpp-python, one decision after the other: the prompt once, its cache shared
  by a sequence for each action, and all their tokens in one batch. The file's own arithmetic, in four bits for example,
  so its log-probabilities differ by more than rounding.

Of padded rows some are run, and their time is scaled up. Writes
benchmarks/results/real-model.json.
"""

import argparse
import ctypes
import importlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
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


class LlamaCpp:
    """A GGUF file in llama.cpp, which scores the actions of one decision at a time.

    Args:
        file: the model.
        threads: that it computes with.
        num_tokens: most tokens of a prompt with all of its actions.
        num_actions: most actions of a decision.
    """

    def __init__(self, file: Path, threads: int, num_tokens: int, num_actions: int) -> None:
        self._api: Any = importlib.import_module("llama_cpp.llama_cpp")
        api = self._api
        silent = api.llama_log_callback(lambda *_: None)
        self._silent = silent  # which must outlive the library's use of it
        api.llama_log_set(silent, ctypes.c_void_p(0))
        api.llama_backend_init()
        self._model = api.llama_model_load_from_file(str(file).encode(), api.llama_model_default_params())
        params = api.llama_context_default_params()
        params.n_ctx = params.n_batch = params.n_ubatch = num_tokens
        params.n_seq_max = num_actions + 1
        params.kv_unified = True
        params.n_threads = params.n_threads_batch = threads
        self._context = api.llama_init_from_model(self._model, params)
        self._memory = api.llama_get_memory(self._context)
        self._batch = api.llama_batch_init(num_tokens, 0, 1)
        vocabulary = api.llama_model_get_vocab(self._model)
        self._vocab_size = api.llama_vocab_n_tokens(vocabulary)

    def log_probs(self, shared: Sequence[int], actions: Sequence[Sequence[int]]) -> list[float]:
        """Joint log-probability of each action's tokens after the shared ones."""
        self._api.llama_memory_clear(self._memory, True)
        last = len(shared) - 1
        self._decode([(token, at, 0, at == last) for at, token in enumerate(shared)])
        first = self._log_softmax(last)
        found = [float(first[tokens[0]]) for tokens in actions]
        rows = []
        for sequence, tokens in enumerate(actions, start=1):
            self._api.llama_memory_seq_cp(self._memory, 0, sequence, -1, -1)
            rows += [(token, len(shared) + i, sequence, True) for i, token in enumerate(tokens[:-1])]
        if rows:
            self._decode(rows)
            place = 0
            for action, tokens in enumerate(actions):
                for token in tokens[1:]:
                    found[action] += float(self._log_softmax(place)[token])
                    place += 1
        return found

    def _decode(self, rows: Sequence[tuple[int, int, int, bool]]) -> None:
        """Read tokens, each with its position, its sequence, and whether logits are wanted after it."""
        batch = self._batch
        batch.n_tokens = len(rows)
        for i, (token, position, sequence, wanted) in enumerate(rows):
            batch.token[i], batch.pos[i], batch.logits[i] = token, position, wanted
            batch.n_seq_id[i], batch.seq_id[i][0] = 1, sequence
        if (code := self._api.llama_decode(self._context, batch)) != 0:
            raise SystemExit(f"llama_decode returned {code}; expected 0.")

    def _log_softmax(self, place: int) -> np.ndarray[Any, np.dtype[np.float64]]:
        pointer = self._api.llama_get_logits_ith(self._context, place)
        logits = np.ctypeslib.as_array(pointer, (self._vocab_size,)).astype(np.float64)
        shifted = logits - logits.max()
        return np.asarray(shifted - np.log(np.exp(shifted).sum()))


def llama_cpp(request: Request, file: Path, threads: int) -> ScoringMethod:
    """llama.cpp on the same tokens."""
    longest = max(len(item.shared) + sum(map(len, item.actions)) for item in request.spans)
    model = LlamaCpp(file, threads, longest, max(len(item.actions) for item in request.spans))
    offered = [[tokens for tokens in item.actions if tokens] for item in request.spans]

    def score() -> torch.Tensor:
        pairs = zip(request.spans, offered, strict=True)
        return torch.tensor([logp for item, actions in pairs for logp in model.log_probs(item.shared, actions)])

    return ScoringMethod("llama.cpp", (score,), tuple(request.places), len(request.places))


def measured(scorer: ActionScorer, world: str, count: int, max_tokens: int, gguf: Path | None) -> Iterator[Number]:
    """All ways on the decisions of an environment."""
    request, threads = Request.of(scorer, env_decisions(world, count)), torch.get_num_threads()
    ways = [packed(request), one_by_one(request), padded(request, max_tokens), cached(request, max_tokens)]
    ways += [llama_cpp(request, gguf, threads)] if gguf else []
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
    parser.add_argument("--gguf", type=Path, help="the same model for llama.cpp, which needs llama-cpp-python")
    parser.add_argument("--decisions", type=int, default=16, help="most decisions of an environment")
    parser.add_argument("--max-tokens", type=int, default=1500, help="of padded rows that are run")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(options.threads)
    scorer = ActionScorer.from_pretrained(options.model, device="cpu", method="packed")
    rows: list[Number] = []
    for world in WORLDS:
        for number in measured(scorer, world, options.decisions, options.max_tokens, options.gguf):
            print(number.what, number.world, number.method, number.mean, flush=True)
            rows.append(number)
        write("real-model", rows, threads=options.threads)


if __name__ == "__main__":
    main()
