"""What a step says of an action: how long it took, and whether the task is done."""

from collections.abc import Mapping
from typing import Any


def outcome(info: Mapping[str, Any], terminated: bool, reward: float) -> tuple[int, bool]:
    """Read one environment's answer to an action, as the contract in `twosome.envs.text` defines it.

    Args:
        info: of the step; of an ended episode its last info, not the first of the next.
        terminated: whether the world itself ended the episode.
        reward: of the step.

    Returns:
        Primitive steps that the action took, at least 1; and success, which means something only at the end of an
        episode. A world that does not say is taken at its word that a terminal state with reward is success.

    >>> outcome({"primitive_steps": 3, "success": False}, True, 1.0)
    (3, False)
    >>> outcome({}, True, 1.0)
    (1, True)
    >>> outcome({"primitive_steps": 0}, False, 1.0)
    (1, False)
    """
    return max(1, int(info.get("primitive_steps", 1))), bool(info.get("success", terminated and reward > 0))
