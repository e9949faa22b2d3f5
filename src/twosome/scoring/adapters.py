"""A language model with or without PEFT's wrapper around it."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from peft import PeftModel


@contextmanager
def adapters_off(model: Any) -> Iterator[None]:
    """The frozen model alone, for as long as the context lasts."""
    if isinstance(model, PeftModel):
        # PEFT makes every adapter trainable when it switches them on again, also those that were not.
        frozen = [parameter for parameter in model.parameters() if not parameter.requires_grad]
        try:
            with model.disable_adapter():
                yield
        finally:
            for parameter in frozen:
                parameter.requires_grad_(False)
    else:
        yield


def inner_model(model: Any) -> Any:
    """The Transformers model itself. Adapters are part of its own layers, so they stay in place."""
    return model.get_base_model() if isinstance(model, PeftModel) else model


@contextmanager
def quiet_peft() -> Iterator[None]:
    """Without two warnings that ask nothing of the user.

    PEFT 0.21 draws one from Transformers 5.23 by asking for an attribute's old name; with GPT-2 it gives another when
    it finds out by itself how the layers store their weights.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*is_gradient_checkpointing", FutureWarning)
        warnings.filterwarnings("ignore", "fan_in_fan_out is set to False but the target module is `Conv1D`")
        yield
