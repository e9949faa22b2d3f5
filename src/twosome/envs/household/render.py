"""The floor plan."""

import numpy as np
from numpy.typing import NDArray

from twosome.envs.household.graph import State
from twosome.envs.household.tasks import Task


def text_plan(task: Task, state: State) -> str:
    """The floor plan as text."""
    return str(state)


def image(task: Task, state: State) -> NDArray[np.uint8]:
    """The floor plan as an image."""
    return np.zeros((8, 8, 3), np.uint8)
