"""What a model is asked before it is trusted with packed rows, and before every score.

Most families of Transformers take a trie's mask and positions as they are; some cannot (ALiBi, state-space
models), and a new one might ignore them without a word. So a scorer compares the packed path with the naive
definition once, on the model at hand. And it asks whether what stands beside a text in a forward changes what the
model makes of it, or what was read before: then no score would follow from its decision alone.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from twosome.decision import Decision
from twosome.errors import ModelError
from twosome.scoring.attention import UnsupportedAttentionError
from twosome.scoring.position_ranges import PositionRanges

EXAMPLES = (
    Decision(
        "A cup is on the table. Your hands are empty. Now you",
        ("pick up the cup", "pick up the plate", "pick", "walk to the table", "walk to the door", "wait"),
    ),
    Decision("You are tired. Now you", ("sit down", "stand up", "sit down on the sofa")),
)

# Absolute and relative, in nats for a whole action: rounding, not a difference in meaning.
_TOLERANCES = {
    torch.float64: (1e-7, 1e-7),
    torch.float32: (1e-3, 1e-4),
    torch.float16: (0.05, 0.01),
    torch.bfloat16: (0.1, 0.02),
}
_QUANTIZED_TOLERANCE = (0.3, 0.05)
# Rounding in features, relative to their norm, over that in log-probabilities, relative to these.
_FEATURES_OVER_SCORES = 5
# How a forward pass answers to arguments that it does not know.
_FORWARD_ERRORS = (TypeError, ValueError, RuntimeError, IndexError, KeyError, AttributeError)


class PackingWarning(UserWarning):
    """A model cannot be scored in packed rows, so each action takes a forward pass of its own."""


def packing_fault(model: Any, packed: Callable[[], list[Tensor]], naive: Callable[[], list[Tensor]]) -> str | None:
    """Why the model cannot be scored in packed rows; None where it can.

    Args:
        model: the language model.
        packed: joint log-probabilities of the actions of `EXAMPLES`, packed.
        naive: the same by the definition.
    """
    text_config = model.config.get_text_config()
    if getattr(model, "_is_stateful", False):
        return "it carries a state from token to token, which branches of a trie cannot share"
    if getattr(text_config, "alibi", False):
        return "its positions are distances between columns (ALiBi), which a trie does not keep"
    if text_config.model_type == "gpt_neo":
        return "its layers mask by columns of their own, and in a packed row columns are no distances"
    with torch.no_grad():
        expected = naive()
        _require_numbers(*expected)
        try:
            found = packed()
        except UnsupportedAttentionError as error:
            return str(error)
        except _FORWARD_ERRORS as error:
            first_line = (str(error).splitlines() or [""])[0]
            return f"its forward pass takes no mask of a trie ({type(error).__name__}: {first_line})"
    difference = _difference(expected, found, _tolerance(model))
    return difference and f"packed and one-by-one log-probabilities differ by {difference} nats on an example"


def reuse_fault(model: Any, whole: list[Tensor], kept: Callable[[], list[Tensor]]) -> str | None:
    """Why what a model's lower layers make of a decision cannot be kept; None where it can.

    Args:
        model: the language model.
        whole: joint log-probabilities of the actions of `EXAMPLES`, through all layers.
        kept: the same from what is kept of the lower ones.
    """
    try:
        difference = _difference(whole, kept(), _tolerance(model))
    except _FORWARD_ERRORS as error:
        first_line = (str(error).splitlines() or [""])[0]
        return f"its layers cannot be entered in the middle ({type(error).__name__}: {first_line})"
    return difference and f"entered in the middle it gives log-probabilities that differ by {difference} nats"


def batching_fault(model: Any, ids: Sequence[int], max_length: int | None, device: torch.device) -> str | None:
    """Why a text has to be read alone; None where what stands beside it in a forward changes nothing.

    A row is read alone, beside the same tokens as far behind as the model's longest text reaches, and alone again. Far
    positions cost no more than near ones, so this sees an encoding that changes at any length; it is asked within each
    of the lengths between which it is known to change (see `PositionRanges`).

    Args:
        model: the language model.
        ids: tokens of some text.
        max_length: most tokens that the model takes; None: as many as you like, and nothing can be asked.
        device: where the model takes its tokens.

    Raises:
        ModelError: the text is read otherwise after the other one.
    """

    def read(*starts: int) -> Tensor:
        positions = torch.stack([torch.arange(start, start + len(ids)) for start in starts])
        rows = torch.tensor([list(ids)] * len(starts))
        logits = model(
            input_ids=rows.to(device), position_ids=positions.to(device), use_cache=False, logits_to_keep=1
        ).logits[0, -1]
        return torch.log_softmax(logits.to(torch.promote_types(logits.dtype, torch.float32)), dim=-1)

    with torch.no_grad():
        for near, far in _ranges(PositionRanges.of_model(model.config), len(ids), max_length):
            try:
                alone, beside, again = read(near), read(near, far), read(near)
            except _FORWARD_ERRORS:
                return None  # it takes no positions, and so no packed rows either
            if _difference([alone], [again], _tolerance(model)):
                raise ModelError(
                    "it reads a text otherwise after a longer one than before, so its scores would depend on what was "
                    "scored earlier. Take the scaling of positions (rope_scaling) out of its config.json, or choose "
                    "another model."
                )
            if difference := _difference([alone], [beside], _tolerance(model)):
                return f"a longer text beside it in a forward changes a token's log-probability by {difference} nats"
    return None


def _ranges(position_ranges: PositionRanges, num_tokens: int, max_length: int | None) -> Iterator[tuple[int, int]]:
    """First positions of a near and of a far row within each stretch of lengths that has room for two."""
    if max_length is not None:
        limits = [limit for limit in position_ranges.limits if limit < max_length]
        for low, high in pairwise([0, *limits, max_length]):
            if high - num_tokens > low:
                yield low, high - num_tokens


def needs_reading_alone(
    model: Any, ids: Sequence[int], max_length: int | None, features: Callable[[Sequence[tuple[int, ...]]], Tensor]
) -> bool:
    """Whether prompts have to be read one at a time, since the features of one change with the padding behind it.

    Args:
        model: the language model.
        ids: tokens of some text.
        max_length: most tokens that the model takes; None: as many as you like.
        features: of prompts, ``[B, D]``, read together.
    """
    position_ranges = PositionRanges.of_model(model.config)
    room = min(limit for limit in (4 * len(ids), max_length, *position_ranges.limits[:1]) if limit is not None)
    short, long = tuple(ids[: max(1, room // 4)]), tuple((list(ids) * 4)[:room])
    with torch.no_grad():
        alone, beside = features([short])[0], features([short, long])[0]
    _require_numbers(alone)
    # Of the whole, not number by number: a few features of many models are a hundred times as large as the rest.
    _, relative = _tolerance(model)
    return not bool((alone - beside).norm() <= _FEATURES_OVER_SCORES * relative * alone.norm())


def _difference(expected: list[Tensor], found: list[Tensor], tolerance: tuple[float, float]) -> str | None:
    """The largest difference, where it is more than rounding explains."""
    absolute, relative = tolerance
    for a, b in zip(expected, found, strict=True):
        # Written so that a NaN counts as a difference.
        if not bool(((a - b).abs() <= absolute + relative * a.abs()).all()):
            return f"{float((a - b).abs().max()):.2g}"
    return None


def _require_numbers(*values: Tensor) -> None:
    if any(bool(torch.isnan(value).any()) for value in values):
        raise ModelError(
            "what it makes of the example is not a number, though its weights are: they may be damaged, or too large "
            "for its precision (then --dtype bfloat16 or float32 helps)."
        )


def _tolerance(model: Any) -> tuple[float, float]:
    if getattr(model, "is_quantized", False):
        return _QUANTIZED_TOLERANCE
    return _TOLERANCES.get(model.dtype, _QUANTIZED_TOLERANCE)


def require_no_dropout(model: Any) -> None:
    """Raise where a score would depend on chance.

    Training mode as such is fine (gradient checkpointing needs it); dropout is not, since the policy that PPO
    compares with its former self has to be the same function.

    Raises:
        ModelError: the model is in training mode and some dropout is above zero.
    """
    if not model.training:
        return
    modules = any(isinstance(m, nn.Dropout) and m.training and m.p > 0 for m in model.modules())
    settings = model.config.get_text_config().to_dict().items()
    configured = [key for key, value in settings if "drop" in key and isinstance(value, float) and value > 0]
    if modules or configured:
        raise ModelError(
            "the model is in training mode with dropout, so its scores would depend on chance. "
            "Call model.eval() (gradients flow all the same), or set the dropout to 0."
        )
