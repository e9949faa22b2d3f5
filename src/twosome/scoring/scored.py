"""What scoring gives: joint log-probabilities of actions and the lengths that normalizations divide by."""

from dataclasses import dataclass

from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class ScoredActions:
    """Scores of a batch of decisions, padded to the largest number of action ids in it.

    Attributes:
        logp: joint log-probability of each action's tokens, in nats; -inf where it is not available.
        available: True where the decision offers the action.
        num_tokens: tokens that `logp` sums over; 0 where the action is not available, as in the next two.
        num_words: words of the phrase, separated by white space.
        num_bytes: bytes of the phrase in UTF-8.
        num_alike: actions of the decision that have the same phrase, itself included; None: each has its own.
    """

    logp: Float[Tensor, "B A"]
    available: Bool[Tensor, "B A"]
    num_tokens: Int[Tensor, "B A"]
    num_words: Int[Tensor, "B A"]
    num_bytes: Int[Tensor, "B A"]
    num_alike: Int[Tensor, "B A"] | None = None
