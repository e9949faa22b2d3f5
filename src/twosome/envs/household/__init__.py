"""The household: a character with two hands who walks, grabs, opens and sits; VirtualHome's tasks."""

from twosome.envs.household.panel import panel_hash, panel_size, panel_task
from twosome.envs.household.schema import task_from_data

__all__ = ["panel_hash", "panel_size", "panel_task", "task_from_data"]
