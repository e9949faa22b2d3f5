"""Spaces of text: what Gymnasium's own cannot say without inventing a longest text, an alphabet or a number of actions.

Gymnasium batches them as it does all spaces that it does not know: into a tuple with one entry for each environment.
"""

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

_LETTERS = tuple("abcdefghijklmnopqrstuvwxyz")


class _TextSpace(spaces.Space[Any]):
    """What the spaces below have in common: they have no parameters, and are no arrays."""

    @property
    def is_np_flattenable(self) -> bool:
        """False: a text is no array."""
        return False

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class AnyText(_TextSpace):
    """Every text, of any length and in any characters."""

    def sample(self, mask: None = None, probability: None = None) -> str:
        """A few random letters."""
        return "".join(self.np_random.choice(_LETTERS, self.np_random.integers(1, 9)))

    def contains(self, x: Any) -> bool:
        """Whether this is a text."""
        return isinstance(x, str)


class Phrases(_TextSpace):
    """Every tuple, or list, of texts: the phrases of a state's actions, as many as there are."""

    def sample(self, mask: None = None, probability: None = None) -> tuple[str, ...]:
        """A few phrases of random letters, at least one."""
        text = AnyText(seed=self.np_random)
        return tuple(text.sample() for _ in range(self.np_random.integers(1, 5)))

    def contains(self, x: Any) -> bool:
        """Whether this is a tuple or list of texts."""
        return isinstance(x, tuple | list) and all(isinstance(phrase, str) for phrase in x)


class PhraseIndex(_TextSpace):
    """An index into the phrases of the latest observation: the action space where their number changes.

    How many there are is said by the observation, not by the space.
    """

    def sample(self, mask: NDArray[np.int8] | None = None, probability: NDArray[np.float64] | None = None) -> int:
        """A random index among those that a mask, or probabilities, of the phrases allow; without either 0.

        Args:
            mask: 1 for each phrase that may be drawn, as ``info["action_mask"]``; for a uniform draw from all of n
                phrases ``np.ones(n, np.int8)``.
            probability: of each phrase.
        """
        if probability is not None:
            return int(self.np_random.choice(len(probability), p=probability))
        return 0 if mask is None else int(self.np_random.choice(np.flatnonzero(mask)))

    def contains(self, x: Any) -> bool:
        """Whether this is a whole number from 0."""
        return isinstance(x, int | np.integer) and not isinstance(x, bool) and bool(x >= 0)


def text_observation(vector: spaces.Box | None = None) -> spaces.Space[dict[str, Any]]:
    """The space of observations of a prompt and any number of phrases.

    Args:
        vector: the space of the same situation in numbers, where an environment gives them.
    """
    parts: dict[str, spaces.Space[Any]] = {"prompt": AnyText(), "actions": Phrases()}
    return spaces.Dict(parts if vector is None else {**parts, "vector": vector})
