"""What a policy is shown."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from twosome.decision import Decision


@dataclass(frozen=True, eq=False)
class Observation:
    """A situation in words and in numbers, and the environment that it is one of.

    A language model reads the words, a small network the numbers; a planner asks the environment.

    Attributes:
        decision: prompt and phrases.
        vector: the same situation in numbers; None where the environment has none. The environment may write its next
            one into the same array, so whoever keeps it copies it.
        env: the Gymnasium environment, with its wrappers; None where a decision was made up without one.
    """

    decision: Decision
    vector: NDArray[Any] | None = None
    env: Any = None  # of Gymnasium, which what reads only the words does not load

    @property
    def prompt(self) -> str:
        """The situation as text."""
        return self.decision.prompt

    @property
    def actions(self) -> tuple[str, ...]:
        """One phrase for each action id; ``""`` where the action is not available."""
        return self.decision.actions

    @property
    def available(self) -> tuple[int, ...]:
        """Ids of the actions that can be chosen now, in order."""
        return self.decision.available


def decision_of(observation: Decision | Observation) -> Decision:
    """What a language model reads of an observation; it is shown decisions as they are, too."""
    return observation.decision if isinstance(observation, Observation) else observation
