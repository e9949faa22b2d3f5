"""Where a model changes how it encodes positions: LongRoPE has one set of frequencies for short and one for long text.

Transformers picks the set by the largest position in a forward, so a short text beside a long one would be read
otherwise than alone. A score must follow from the prompt and the phrase and from nothing else, so texts of different
sets never share a forward: each is read with the set that Transformers picks for it alone.

Dynamic NTK needs nothing of the kind: its frequencies move only beyond the model's longest text, which is refused.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class PositionRanges:
    """Ranges of lengths, in tokens read, within which a model encodes positions in the same way.

    >>> [PositionRanges((4096,)).of(length) for length in (1, 4096, 4097)]
    [0, 0, 1]
    """

    limits: tuple[int, ...] = ()  # the longest text of each range but the last, ascending; none: all texts are alike

    @classmethod
    def of_model(cls, config: Any) -> "PositionRanges":
        """What the configuration of a Transformers model says."""
        return cls(tuple(sorted(set(_longrope_limits(config.get_text_config())))))

    def of(self, num_tokens: int) -> int:
        """The number of the range in which a text of this length lies."""
        return bisect_left(self.limits, num_tokens)


ONE_RANGE = PositionRanges()
"""That of a model that encodes positions in one way, however long a text is."""


def _longrope_limits(text_config: Any) -> Iterator[int]:
    parameters = getattr(text_config, "rope_parameters", None) or {}
    # Of all layers, or of each kind of layer.
    for kind in (parameters, *(value for value in parameters.values() if isinstance(value, dict))):
        if kind.get("rope_type") == "longrope":
            yield int(kind["original_max_position_embeddings"])
