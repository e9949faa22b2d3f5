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


class ValueHead(nn.Module):
    """Scalar value of a prompt from its features, in float32.

    The features are brought to zero mean and unit variance first: their scale differs by orders of
    magnitude between model families, and the learning rate should not have to know.
    """

    def __init__(self, width: int, hidden: tuple[int, int] = (1024, 512)) -> None:
        super().__init__()
        self.width = width
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
        values: Tensor = self.layers(features)
        return values[:, 0]


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

    @torch.no_grad()
    def values(self, states: Sequence[State]) -> Float[Tensor, " B"]:
        """Value of each state under the current head; no gradient."""
        values: Tensor = self.head(self.features(states))
        return values
