"""What a model is asked before it is trusted with packed rows, and before every score.

Most families of Transformers take a trie's mask and positions as they are; some cannot (ALiBi, state-space
models), and a new one might ignore them without a word. So a scorer compares the packed path with the naive
definition once, on the model at hand.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from twosome.decision import Decision
from twosome.errors import ModelError
from twosome.scoring.attention import UnsupportedAttentionError

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
        try:
            found = packed()
        except UnsupportedAttentionError as error:
            return str(error)
        except (TypeError, ValueError, RuntimeError, IndexError, KeyError, AttributeError) as error:
            first_line = (str(error).splitlines() or [""])[0]
            return f"its forward pass takes no mask of a trie ({type(error).__name__}: {first_line})"
    return _difference(expected, found, _tolerance(model))


def _difference(expected: list[Tensor], found: list[Tensor], tolerance: tuple[float, float]) -> str | None:
    absolute, relative = tolerance
    for a, b in zip(expected, found, strict=True):
        # Written so that a NaN counts as a difference.
        if not bool(((a - b).abs() <= absolute + relative * a.abs()).all()):
            return (
                f"packed and one-by-one log-probabilities differ by {float((a - b).abs().max()):.2g} nats on an "
                f"example, more than rounding explains"
            )
    return None


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
