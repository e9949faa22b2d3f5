"""Calls as users make them, who have no checker of types."""

from collections.abc import Iterator
from contextlib import contextmanager

from jaxtyping import config


@contextmanager
def types_unchecked() -> Iterator[None]:
    """As in use: the tests' check of all types would come first."""
    config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        config.update("jaxtyping_disable", False)
