"""How much memory training takes, before it takes it.

What autograd keeps of a forward grows with its tokens and, where attention keeps a mask or a matrix, with their pairs
inside a row. Both rates are measured once, on the model at hand, by counting what a short and a shorter forward keep;
all else is arithmetic. The numbers are of tensors: what a process or a CUDA context needs by itself comes on top.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from twosome.decision import Decision
from twosome.errors import ConfigError
from twosome.scoring import ActionScorer

GIB = 2**30
# Log-probabilities are taken from the logits in chunks of 2**22 numbers (`scoring.readout`), two of float32 at a time.
_CHUNKS_BYTES = 2 * 2**22 * 4
# A layer that is computed once more goes backward at once: about a third of what it keeps comes on top as gradients
# under way (measured on small Llama, Qwen2 and GPT-2: 0.1 to 0.4).
_GRADIENTS_UNDER_WAY = 4 / 3


@dataclass(frozen=True)
class Forward:
    """The shape of one forward: rows, tokens in each, and positions of each whose logits are formed."""

    num_rows: int
    length: int
    num_kept: int

    @property
    def num_tokens(self) -> int:
        """Tokens, padding included."""
        return self.num_rows * self.length


@dataclass(frozen=True)
class Rates:
    """Bytes for each token, and for each pair of tokens in a row."""

    per_token: float
    per_pair: float

    def bytes_of(self, forward: Forward) -> float:
        """Bytes for a forward."""
        return forward.num_tokens * (self.per_token + forward.length * self.per_pair)


@dataclass(frozen=True)
class Activations:
    """What a model's forwards take beyond its weights."""

    kept: Rates  # for the backward pass, logits apart
    layer: Rates
    """What one layer alone would keep: that comes on top while a layer is computed once more, and is about what a
    forward without gradients takes."""
    logit_bytes: int  # bytes of the logits of one position
    recomputes: bool  # whether layers are computed once more in the backward pass (gradient checkpointing)

    def logits_bytes(self, forward: Forward) -> int:
        """The logits of a forward."""
        return forward.num_rows * forward.num_kept * self.logit_bytes

    def extra_bytes(self, forward: Forward) -> float:
        """Most that comes on top in the backward pass: the logits' gradient, or a layer computed once more."""
        logits = self.logits_bytes(forward)
        layer = _GRADIENTS_UNDER_WAY * self.layer.bytes_of(forward) if self.recomputes else 0.0
        return max(float(logits + min(2 * logits, _CHUNKS_BYTES)), layer)

    def peak_bytes(self, forwards: Sequence[Forward], max_tokens: int) -> float:
        """Most memory of one call of the scorer and its backward pass.

        Args:
            forwards: of the call.
            max_tokens: where they take more together, only one is alive at a time.
        """
        if sum(forward.num_tokens for forward in forwards) > max_tokens:
            return max(self.peak_bytes([forward], forward.num_tokens) for forward in forwards)
        kept = sum(self.kept.bytes_of(forward) + self.logits_bytes(forward) for forward in forwards)
        return kept + max(self.extra_bytes(forward) for forward in forwards)

    def reading_bytes(self, forwards: Sequence[Forward]) -> float:
        """About what the largest of some forwards without gradients takes."""
        return max(self.layer.bytes_of(f) + 2 * self.logits_bytes(f) for f in forwards)


def tokens_within(budget_bytes: float, static_bytes: int, activations: Activations, row: Forward) -> int:
    """Most tokens of a forward with gradients within a budget.

    Args:
        budget_bytes: for everything.
        static_bytes: what does not depend on the tokens: weights, gradients, moments.
        activations: of the model.
        row: the longest row to expect; a forward is thought of as many of these.

    Raises:
        ConfigError: not even one row fits.
    """
    one = activations.peak_bytes([row], row.num_tokens)
    if static_bytes + one > budget_bytes:
        raise ConfigError(
            f"--memory-budget-gib is {budget_bytes / GIB:.3g}; expected at least {(static_bytes + one) / GIB:.3g}: "
            f"{static_bytes / GIB:.3g} GiB for weights, adapters and value head, {one / GIB:.3g} GiB for the "
            f"longest prompt with its actions ({row.length} tokens) and its backward pass. Give more, or take less: "
            "--dtype bfloat16, --quantization 4bit, --gradient-checkpointing."
        )
    rows = 1
    while static_bytes + activations.peak_bytes([_rows(row, 2 * rows)], 2 * rows * row.length) <= budget_bytes:
        rows *= 2
    for step in (2**k for k in reversed(range(rows.bit_length()))):
        more = _rows(row, rows + step)
        if static_bytes + activations.peak_bytes([more], more.num_tokens) <= budget_bytes:
            rows += step
    return rows * row.length


def _rows(row: Forward, num_rows: int) -> Forward:
    return Forward(num_rows, row.length, row.num_kept)


# -- counted on the model at hand ----------------------------------------------------------------------


def tensor_bytes(tensors: Iterable[Tensor]) -> int:
    """Bytes of tensors."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def frozen_bytes(model: nn.Module) -> int:
    """Bytes of what is not trained."""
    return tensor_bytes([*(p for p in model.parameters() if not p.requires_grad), *model.buffers()])


def copied_bytes(scorer: ActionScorer, frozen: ActionScorer) -> int:
    """Bytes of the weights that the critic reads, where they are a copy; nothing, where it is the same scorer."""
    return 0 if frozen is scorer else tensor_bytes(frozen.model.parameters())


def learner_bytes(model: nn.Module) -> int:
    """Bytes of what is trained: weights, gradients and the two moments of Adam, all alike."""
    return 4 * tensor_bytes(p for p in model.parameters() if p.requires_grad)


def saved_bytes(model: nn.Module, function: Callable[[], Tensor]) -> int:
    """Bytes that autograd keeps of what a function computes, the model's own tensors apart."""
    own = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}
    sizes: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(count, lambda tensor: tensor):
        result = function()
    total = sum(size for address, size in sizes.items() if address not in own)
    del result  # Until here it kept the counted tensors alive, so that no two had the same address.
    return total


@contextmanager
def recorded(*scorers: ActionScorer) -> Iterator[list[Forward]]:
    """The shapes of all forwards of the scorers' models while the context lasts; for use without gradients."""
    found: list[Forward] = []
    kept = [0]

    def before(_module: nn.Module, _args: Any, kwargs: dict[str, Any]) -> None:
        columns = kwargs.get("logits_to_keep", kwargs["input_ids"].shape[1])
        kept[0] = columns if isinstance(columns, int) else len(columns)

    def embedded(_module: nn.Module, args: Any, _output: Any) -> None:
        num_rows, length = args[0].shape
        found.append(Forward(num_rows, length, kept[0]))
        kept[0] = 0  # Prompts alone are read without logits.

    hooks = [
        hook
        for model in {scorer.model: None for scorer in scorers}
        for hook in (
            model.register_forward_pre_hook(before, with_kwargs=True),
            model.get_input_embeddings().register_forward_hook(embedded),
        )
    ]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def measure_activations(scorer: ActionScorer, decision: Decision) -> Activations:
    """What forwards of the scorer's model take, from two short ones with gradients: a decision's prompt and half of it.

    Args:
        scorer: with the adapters and the checkpointing that training uses.
        decision: a typical one; a single phrase of it is scored.
    """
    recomputing = [module for module in scorer.model.modules() if module.training]
    kept = _rates(scorer, decision)
    for module in recomputing:
        module.training = False
    whole = _rates(scorer, decision) if recomputing else kept
    for module in recomputing:
        module.training = True
    config = scorer.model.config.get_text_config()
    # Autograd keeps nothing of the layers below the first that is trained.
    layers = config.num_hidden_layers - scorer.first_trained
    return Activations(
        kept=kept,
        layer=Rates(whole.per_token / layers, whole.per_pair / layers),
        logit_bytes=config.vocab_size * scorer.model.dtype.itemsize,
        recomputes=bool(recomputing),
    )


def _rates(scorer: ActionScorer, decision: Decision) -> Rates:
    """What autograd keeps, from a row with the whole prompt and one with half of it."""
    phrase = max(decision.actions, key=len)
    words = decision.prompt.split(" ")
    (n, a), (m, b) = (
        _kept(scorer, Decision(prompt, (phrase,)))
        for prompt in (decision.prompt, " ".join(words[(len(words) - 1) // 2 :]))
    )
    per_pair = max(0.0, (a / n - b / m) / (n - m)) if n > m else 0.0
    return Rates(a / n - per_pair * n, per_pair)


def _kept(scorer: ActionScorer, decision: Decision) -> tuple[int, int]:
    """Tokens of a decision's only row, and the bytes kept of its forward, logits apart."""
    if scorer.lower is not None:
        with torch.no_grad():
            scorer.score([decision])  # so that what is kept of the lower layers is there
    with recorded(scorer) as forwards:
        total = saved_bytes(scorer.model, lambda: scorer.score([decision]).logp)
    (forward,) = forwards
    vocab_size = scorer.model.config.get_text_config().vocab_size
    return forward.length, total - forward.num_kept * vocab_size * scorer.model.dtype.itemsize
