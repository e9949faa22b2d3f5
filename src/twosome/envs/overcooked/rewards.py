"""What the kitchen pays."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from twosome.envs.arguments import check_choice
from twosome.envs.overcooked.dynamics import Event
from twosome.errors import ConfigError, quote


@dataclass(frozen=True)
class KitchenRewards:
    """What each primitive step pays."""

    subtask: float = 0.2
    """Added when a vegetable of the salad is chopped for good."""
    correct: float = 1.0
    """Added when the salad is served."""
    wrong: float = -0.1
    """Added when anything else is served."""
    step: float = -0.001
    """Paid for every primitive step."""

    def of(self, event: Event) -> float:
        """The reward of a primitive step in which this happened."""
        return self.step if event == "step" else self.step + float(getattr(self, event))

    def discounted(self, events: Sequence[Event], gamma: float) -> tuple[float, float]:
        """The reward of a macro-action, and the discount of what follows it.

        The order of the additions is the recorded one, so that the sums are equal to the last bit.

        Args:
            events: what happened in each primitive step.
            gamma: discount per primitive step.
        """
        reward, discount = 0.0, 1.0
        for event in events:
            reward += discount * self.of(event)
            discount *= gamma
        return reward, discount


def rewards_from(rewards: KitchenRewards | Mapping[str, float] | None) -> KitchenRewards:
    """The rewards that are meant: the usual ones with those of the mapping in their place.

    Raises:
        ConfigError: this is no mapping, or one with a key that is not a field of `KitchenRewards` or with a
            value that is not a finite number.
    """
    if isinstance(rewards, KitchenRewards):
        return rewards
    if rewards is None:
        return KitchenRewards()
    names = tuple(asdict(KitchenRewards()))
    if not isinstance(rewards, Mapping):
        raise ConfigError(
            f"rewards={quote(rewards)}: expected a mapping with some of {', '.join(names)}, such as {{'step': -0.01}}."
        )
    for name, value in rewards.items():
        check_choice("rewards key", name, names)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ConfigError(f"rewards: {name}={quote(value)}: expected a finite number.")
    return KitchenRewards(**{name: float(value) for name, value in rewards.items()})
