"""A language model with or without PEFT's wrapper around it."""

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
