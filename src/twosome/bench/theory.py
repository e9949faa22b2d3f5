"""What the arithmetic alone says a packed pass costs: counted from shapes, to set beside what is measured."""

from collections.abc import Sequence

from twosome.bench.methods import floor_size
from twosome.bench.models import Size
from twosome.scoring.spans import Spans


def arithmetic(size: Size, spans: Sequence[Spans]) -> float:
    """Multiplications of a forward over one row for each decision; a backward pass adds a constant factor.

    Every token meets all weights of the layers and every earlier column of its row; each position that predicts also
    meets the output layer.
    """
    total = 0.0
    for item in spans:
        tokens, positions = floor_size([item])
        attention = 2 * size.layers * tokens**2 * size.width
        total += tokens * size.matmul_parameters + attention + positions * size.width * size.vocab_size
    return total


def kept_numbers(size: Size, spans: Sequence[Spans]) -> float:
    """Numbers that stay in memory for the backward pass, about: activations of the layers, logits twice.

    A layer keeps some ten vectors of its width for each token (inputs of the norms and projections, queries, keys,
    values, the attention's output) and four of its feed-forward layer's.
    """
    total = 0.0
    for item in spans:
        tokens, positions = floor_size([item])
        total += tokens * size.layers * (10 * size.width + 4 * size.inner) + 2 * positions * size.vocab_size
    return total
