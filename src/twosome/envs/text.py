"""What the rest of the package asks of a world: a prompt, the phrases of the valid actions, nothing else.

A world is a Gymnasium environment (`TextWorld` lists the parts) that keeps these promises:

- `action_space` is `Discrete(n)`; `step` takes an id from 0 to n - 1.
- An observation is a dict with `"prompt"`, a str that stops in mid-sentence without a blank at its end, and
  `"actions"`, a tuple of n str: the phrase that completes the prompt, `""` where the action is not available now.
  At least one is available until the episode ends. `"vector"`, a numeric array of fixed shape, is needed only for
  the baseline that learns from numbers.
- `info["action_mask"]`, if there is one, is an int8 array of n entries, 1 where the phrase is not empty.
- `info["primitive_steps"]`, if there is one, says how many steps of time the action took; without it every
  action takes one. Discounting counts those.
- `info["success"]`, if there is one, says at the end of an episode whether the goal was reached.

Optional, on `env.unwrapped`: `gamma` (discount per primitive step, for the return that is reported),
`action_names`, `planner()` (an object with `act() -> int` for the current state), and for exact resumption
`get_state() -> dict`, plain JSON, and `set_state(dict)`, after which `observation()` is what it was.

`check_world` tests all of it.
"""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from twosome.decision import Decision
from twosome.errors import WorldError

NAMESPACE = "twosome"


@runtime_checkable
class Planner(Protocol):
    """Knows the best action."""

    def act(self) -> int:
        """The best action in the environment's current state."""
        ...


@runtime_checkable
class TextWorld(Protocol):
    """All that a world of this package has on `env.unwrapped` beside Gymnasium's own."""

    gamma: float
    action_names: tuple[str, ...]

    def observation(self) -> dict[str, Any]:
        """The observation of the current state, as `reset` and `step` return it."""
        ...

    def action_masks(self) -> NDArray[np.int8]:
        """1 for each action that is available now."""
        ...

    def get_state(self) -> dict[str, Any]:
        """Everything that decides how the episode goes on, as plain JSON."""
        ...

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what `get_state` returned."""
        ...

    def planner(self) -> Planner:
        """The planner of this environment."""
        ...


def decision_from(observation: Mapping[str, Any]) -> Decision:
    """The choice that an observation of one environment poses.

    Raises:
        NoActionError: no action is available.
    """
    return Decision(observation["prompt"], tuple(observation["actions"]))


def decisions_from(observation: Mapping[str, Any], num_envs: int) -> list[Decision]:
    """The choices that an observation of a vector environment poses, one per environment.

    Args:
        observation: as `SyncVectorEnv` or `AsyncVectorEnv(shared_memory=False)` return it: `"prompt"` has one
            entry per environment, `"actions"` arrives transposed, per action id one entry per environment.
        num_envs: how many environments there are.

    Raises:
        NoActionError: no action is available in one of them.
        WorldError: the observation is not of so many environments.
    """
    prompts, by_action = observation["prompt"], observation["actions"]
    sizes = {len(prompts), *(len(phrases) for phrases in by_action)}
    if sizes != {num_envs}:
        raise WorldError(
            f"the observation has parts for {sorted(sizes)} environments, expected {num_envs} in each: pass what a "
            "vector environment returned, and the number of its environments."
        )
    return [
        Decision(prompt, tuple(phrases)) for prompt, phrases in zip(prompts, zip(*by_action, strict=True), strict=True)
    ]
