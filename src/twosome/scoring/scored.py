"""What scoring gives: joint log-probabilities of actions and the lengths that normalizations divide by."""

from dataclasses import dataclass

from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class ScoredActions:
    """Scores of a batch of decisions, padded to the largest number of action ids in it."""

    logp: Float[Tensor, "B A"]  # joint log-probability of each action's tokens, in nats; -inf where it is not available
    available: Bool[Tensor, "B A"]  # True where the decision offers the action
    num_tokens: Int[Tensor, "B A"]
    """Tokens that `logp` sums over; 0 where the action is not available, as in the next two."""
    num_words: Int[Tensor, "B A"]  # words of the phrase, separated by white space
    num_bytes: Int[Tensor, "B A"]  # bytes of the phrase in UTF-8
    num_alike: Int[Tensor, "B A"] | None = None
    """Actions of the decision that have the same phrase, itself included; None: each has its own."""
