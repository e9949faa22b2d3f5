"""The value head: an MLP on what the frozen model makes of a prompt, or of a prompt and the beginning of an action.

The features are the last hidden state at the last real token, with the adapters switched off. They never change while
training, so each distinct state is read by the model once in a run.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

State = str | tuple[int, ...]
"""What the critic reads: a prompt, or the tokens of a prompt and of an action's beginning."""


_LEAST_SPREAD = 1e-3
"""Below that the states are the same to rounding."""


class ValueHead(nn.Module):
    """Scalar value of a prompt from its features, in float32.

    The features are brought to zero mean and unit variance first: their scale differs by orders of
    magnitude between model families, and the learning rate should not have to know.

    Args:
        width: of the features.
        hidden: widths of the two hidden layers.
        centered: look at how features differ from what they have in common, once `center` has seen some.
    """

    center_point: Tensor
    spread: Tensor

    def __init__(self, width: int, hidden: tuple[int, int] = (1024, 512), *, centered: bool = False) -> None:
        super().__init__()
        self.width = width
        self.centered = centered
        if centered:
            self.register_buffer("center_point", torch.zeros(width))
            self.register_buffer("spread", torch.ones(()))
        first, second = hidden
        self.layers = nn.Sequential(
            nn.LayerNorm(width, elementwise_affine=False),
            nn.Linear(width, first),
            nn.ReLU(),
            nn.Linear(first, second),
            nn.ReLU(),
            nn.Linear(second, 1),
        )

    def forward(self, features: Float[Tensor, "B D"]) -> Float[Tensor, " B"]:
        """Value of each row of features."""
        values: Tensor = self.layers[1:](self._shown(features))
        return values[:, 0]

    @torch.no_grad()
    def center(self, features: Float[Tensor, "B D"]) -> None:
        """Take these features, of distinct states, for what all have in common, and how much they differ."""
        normalized = self.layers[0](features)
        self.center_point.copy_(normalized.mean(0))
        # One number: a feature in which these states agree may tell others apart, but is not to be blown up.
        spread = (normalized - self.center_point).pow(2).mean().sqrt()
        self.spread.copy_(spread if spread > _LEAST_SPREAD else torch.ones(()))

    def _shown(self, features: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        normalized: Tensor = self.layers[0](features)
        return (normalized - self.center_point) / self.spread if self.centered else normalized


class Critic:
    """A value head together with the features of every state met so far.

    Args:
        head: the trained part.
        read: gives the features ``[B, D]`` of states; called once for each distinct state.
    """

    def __init__(self, head: ValueHead, read: Callable[[Sequence[State]], Tensor]) -> None:
        self.head = head
        self._read = read
        self.known: dict[State, Tensor] = {}

    def features(self, states: Sequence[State]) -> Float[Tensor, "B D"]:
        """Features of the states, from memory where they are known; no gradient."""
        unknown = [state for state in dict.fromkeys(states) if state not in self.known]
        if unknown:
            with torch.no_grad():
                self.known.update(zip(unknown, self._read(unknown).unbind(0), strict=True))
        return torch.stack([self.known[state] for state in states])

    def center(self, states: Sequence[State]) -> None:
        """Have the head look at how features differ from what those of these states have in common."""
        self.head.center(self.features(list(dict.fromkeys(states))))

    @torch.no_grad()
    def values(self, states: Sequence[State]) -> Float[Tensor, " B"]:
        """Value of each state under the current head; no gradient."""
        values: Tensor = self.head(self.features(states))
        return values
