"""What a step says of an action: how long it took, and whether the task is done."""

import math
from collections.abc import Mapping
from typing import Any, SupportsFloat

import numpy as np

from twosome.errors import WorldError


def outcome(info: Mapping[str, Any], terminated: bool, reward: SupportsFloat) -> tuple[int, bool]:
    """Read one environment's answer to an action, as the contract in `twosome.envs.text` defines it.

    Args:
        info: of the step; of an ended episode its last info, not the first of the next.
        terminated: whether the world itself ended the episode.
        reward: of the step.

    Returns:
        Primitive steps that the action took, at least 1; and success, which means something only at the end of an
        episode. A world that does not say is taken at its word that a terminal state with reward is success.

    Raises:
        WorldError: the world says something else than the contract knows.

    >>> outcome({"primitive_steps": 3, "success": False}, True, 1.0)
    (3, False)
    >>> outcome({}, True, 1.0)
    (1, True)
    >>> outcome({"primitive_steps": 0}, False, 1.0)
    (1, False)
    """
    # Types too, and not only values: "1" and 2.7 would be read as numbers that nobody meant.
    if isinstance(reward, str) or reward is None or not math.isfinite(reward):
        raise WorldError(f"expected the reward of a step to be a finite number, found {reward!r}.")
    steps = info.get("primitive_steps", 1)
    if not isinstance(steps, int | np.integer) or steps < 0:
        raise WorldError(f'expected info["primitive_steps"] to be a whole number, none below 0, found {steps!r}.')
    success = info.get("success", terminated and float(reward) > 0)
    if not isinstance(success, bool | np.bool_):
        raise WorldError(f'expected info["success"] to be True or False, found {success!r}.')
    return max(1, int(steps)), bool(success)
