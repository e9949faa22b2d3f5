"""Scores the actions of decisions with llama.cpp: what people would use otherwise on a CPU.

Through llama-cpp-python's low-level interface, on the tokens that `twosome` scores. It has to be built for the machine,
so that it computes with all of its instructions:

    CMAKE_ARGS="-DGGML_NATIVE=ON -DLLAVA_BUILD=OFF" pip install llama-cpp-python==0.3.36
"""

import importlib
import importlib.util
import logging
from collections.abc import Callable, Container, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from twosome.bench.methods import Request, ScoringMethod
from twosome.errors import MissingExtraError, ModelError, quote
from twosome.scoring.spans import Spans

INSTALL = 'CMAKE_ARGS="-DGGML_NATIVE=ON -DLLAVA_BUILD=OFF" pip install --no-binary llama-cpp-python llama-cpp-python'
INSTRUCTIONS = {"avx2": "AVX2", "avx512f": "AVX512", "avx512_vnni": "AVX512_VNNI", "avx512_bf16": "AVX512_BF16"}
"""Of a CPU, as Linux calls them: what llama.cpp calls them."""

Entry = tuple[int, int, int, bool]
"""Of a batch: a token, its position, its sequence, and whether what may follow it is wanted."""


def ways(request: Request, file: Path, threads: int) -> list[ScoringMethod]:
    """llama.cpp on a request: each decision's actions in turn, each decision's in one batch, and all decisions' in one.

    Raises:
        MissingExtraError: llama-cpp-python is not installed.
        ModelError: it was not built for this machine, or the file is none of the request's model.
    """
    model = LlamaCpp(file, threads, request)
    places = tuple(request.places)

    def way(name: str, log_probs: Callable[[], list[float]]) -> ScoringMethod:
        return ScoringMethod(name, (lambda: torch.tensor(log_probs()),), places, len(places))

    return [
        way("llama.cpp, rewound", lambda: [logp for item in request.spans for logp in model.rewound(item)]),
        way("llama.cpp, one by one", lambda: [logp for item in request.spans for logp in model.batched([item])]),
        way("llama.cpp", lambda: model.batched(request.spans)),
    ]


def require_native(system_info: str, flags: Container[str]) -> None:
    """Check that llama.cpp was built with the instructions of a CPU that has these flags (ModelError)."""
    missing = [name for flag, name in INSTRUCTIONS.items() if flag in flags and f" {name} = 1 " not in system_info]
    if missing:
        raise ModelError(
            f"llama-cpp-python was built without {', '.join(missing)}, which this CPU has: it would be slower than it "
            f"has to be. Build it for this machine: {INSTALL} --force-reinstall --no-cache-dir"
        )


class LlamaCpp:
    """A GGUF file in llama.cpp.

    Args:
        file: the model.
        threads: that it computes with.
        request: what will be scored.

    Raises:
        MissingExtraError, ModelError: as `ways`.
    """

    def __init__(self, file: Path, threads: int, request: Request) -> None:
        if importlib.util.find_spec("llama_cpp") is None:
            raise MissingExtraError(f"llama-cpp-python is not installed: {INSTALL}")
        self._api: Any = importlib.import_module("llama_cpp")
        api = self._api
        logging.getLogger("llama-cpp-python").setLevel(logging.CRITICAL)
        require_native(api.llama_print_system_info().decode(), _cpu_flags())
        api.llama_backend_init()
        self._model = api.llama_model_load_from_file(str(file).encode(), api.llama_model_default_params())
        if not self._model:
            raise ModelError(f"llama.cpp cannot read {quote(str(file))}; expected a GGUF file of the model.")
        self._vocab_size = api.llama_vocab_n_tokens(api.llama_model_get_vocab(self._model))
        if self._vocab_size != request.vocab_size:
            raise ModelError(
                f"{quote(str(file))} is of another model: it has {self._vocab_size:,} tokens, expected "
                f"{request.vocab_size:,}."
            )
        actions = [action for item in request.spans for action in item.actions if action]
        num_outputs = len(request.spans) + sum(len(action) for action in actions)
        num_tokens = num_outputs + sum(len(item.shared) for item in request.spans)
        params = api.llama_context_default_params()
        params.n_ctx = params.n_batch = params.n_ubatch = num_tokens
        params.n_outputs_max = num_outputs
        params.n_seq_max = len(request.spans) + len(actions)
        params.kv_unified = True  # a prompt's cache is shared by its actions' sequences, not copied
        params.n_threads = params.n_threads_batch = threads
        self._context = api.llama_init_from_model(self._model, params)
        if not self._context:
            raise ModelError(
                f"llama.cpp cannot score {params.n_seq_max} sequences at once: expected fewer --decisions."
            )
        self._memory = api.llama_get_memory(self._context)
        self._batch = api.llama_batch_init(num_tokens, 0, 1)

    def rewound(self, item: Spans) -> list[float]:
        """Joint log-probability of each available action, one after the other, the cache rewound to the prompt."""
        [first] = self._read_prompts([item])
        found = []
        for action in filter(None, item.actions):
            logp = float(first[action[0]])
            if action[1:]:
                entries = [(token, len(item.shared) + i, 0, True) for i, token in enumerate(action[:-1])]
                logp += float(_of(self._read(entries), action[1:]).sum())
                self._api.llama_memory_seq_rm(self._memory, 0, len(item.shared), -1)
            found.append(logp)
        return found

    def batched(self, items: Sequence[Spans]) -> list[float]:
        """The same of all actions of some decisions: the prompts in a batch, then a sequence for each action in one."""
        first = self._read_prompts(items)
        found, entries, following = list[float](), list[Entry](), list[int]()
        for d, item in enumerate(items):
            for action in filter(None, item.actions):
                sequence = len(items) + len(found)
                found.append(float(first[d, action[0]]))
                self._api.llama_memory_seq_cp(self._memory, d, sequence, -1, -1)
                entries += [(token, len(item.shared) + i, sequence, True) for i, token in enumerate(action[:-1])]
                following += action[1:]
        if entries:
            for (_, _, sequence, _), logp in zip(entries, _of(self._read(entries), following).tolist(), strict=True):
                found[sequence - len(items)] += logp
        return found

    def _read_prompts(self, items: Sequence[Spans]) -> Float[Tensor, "D V"]:
        """Log-probabilities of what may follow each prompt; the prompts are then the first sequences of the cache."""
        self._api.llama_memory_clear(self._memory, True)
        return self._read(
            [
                (token, i, d, i == len(item.shared) - 1)
                for d, item in enumerate(items)
                for i, token in enumerate(item.shared)
            ]
        )

    def _read(self, entries: Sequence[Entry]) -> Float[Tensor, "W V"]:
        """Log-probabilities of what may follow the entries after which it is wanted."""
        batch = self._batch
        batch.n_tokens = len(entries)
        for i, (token, position, sequence, wanted) in enumerate(entries):
            batch.token[i], batch.pos[i], batch.logits[i] = token, position, wanted
            batch.n_seq_id[i], batch.seq_id[i][0] = 1, sequence
        if (code := self._api.llama_decode(self._context, batch)) != 0:
            raise ModelError(f"llama.cpp cannot score: llama_decode returned {code}, expected 0.")
        num_wanted = sum(wanted for *_, wanted in entries)
        logits = np.ctypeslib.as_array(self._api.llama_get_logits(self._context), (num_wanted, self._vocab_size))
        return torch.log_softmax(torch.from_numpy(logits), dim=-1)


def _of(logp: Float[Tensor, "W V"], tokens: Sequence[int]) -> Float[Tensor, " W"]:
    return logp.gather(1, torch.tensor(tokens)[:, None])[:, 0]


def _cpu_flags() -> set[str]:
    """What /proc/cpuinfo says that the CPU has; nothing where there is none."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return set(next((line for line in lines if line.startswith("flags")), "").split())
