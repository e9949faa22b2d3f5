"""The tasks of a panel, and which of them a run never met in training."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from twosome.config import TrainConfig
from twosome.envs import text
from twosome.envs.household import panel_size, panel_task
from twosome.envs.household.env import HouseholdEnv
from twosome.envs.household.tasks import Task
from twosome.envs.overcooked.env import KitchenEnv
from twosome.errors import ConfigError
from twosome.evaluate.panel import EPISODES, Panel

PAPER_TASKS = ("Cheese", "Hamburger", "ApplePie", "Pizza", "WashingPlate", "Laundry")
SALADS = ("tomato salad", "lettuce salad", "onion salad", "lettuce-tomato salad")

KINDS = {
    frozenset({"is in", "is closed"}): "put in and close",
    frozenset({"is in"}): "put on",
    frozenset({"is on", "is sat on"}): "switch on and sit",
}
"""What a goal of the household panel is made of, to what it is called."""


@dataclass(frozen=True)
class PanelTask:
    """An environment to be tested in."""

    name: str  # for tables
    env: str  # the environment's name
    env_kwargs: dict[str, Any]  # its keyword arguments
    kind: str = ""  # the kind of its goal, where the panel reports by kind, else empty
    seeds: Sequence[int] = ()  # of its episodes, once it is known how many


def panel_tasks(panel: Panel) -> tuple[PanelTask, ...]:
    """All tasks of a panel, in the order in which they are reported."""
    if panel == "paper":
        return tuple(PanelTask(name, name, {}) for name in PAPER_TASKS)
    if panel == "kitchens":
        large = (PanelTask(salad, "TomatoLettuceSalad", {"task": salad}) for salad in SALADS)
        return (PanelTask("tomato salad (small kitchen)", "TomatoSalad", {}), *large)
    tasks = [panel_task("heldout", index) for index in range(panel_size())]
    return tuple(
        PanelTask(task.wish, "HouseholdTask", {"panel": "heldout", "index": index}, _kind(task))
        for index, task in enumerate(tasks)
    )


def unseen_tasks(panel: Panel, config: TrainConfig) -> tuple[PanelTask, ...]:
    """The tasks of a panel that a run with these settings was not trained on.

    Raises:
        ConfigError: it was trained on all of them.
    """
    seen = {goal for env in config.envs for goal in _goals(env, config.env_kwargs)}
    tasks = tuple(task for task in panel_tasks(panel) if not seen.intersection(_goals(task.env, task.env_kwargs)))
    if not tasks:
        others = " or ".join(name for name in EPISODES if name != panel)
        raise ConfigError(
            f"the run was trained on every task of --panel {panel}, so none is left to test it on. "
            f"Choose --panel {others}."
        )
    return tasks


def _kind(task: Task) -> str:
    return KINDS[frozenset(condition.kind for condition in task.goal)]


def _goals(env: str, env_kwargs: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    """What tells one task from another; empty for an environment of another kind, which shares no task with the panels.

    The rewards, the layout of a kitchen or a time limit may differ: it is the same task still. Training tasks of
    `HouseholdTask` are drawn so that no goal of the held-out panel is among them.
    """
    with text.make_checked(env, **env_kwargs) as checked:
        environment = checked.env.unwrapped
    if isinstance(environment, KitchenEnv):
        yield (environment.kitchen.foods, environment.kitchen.task)
    elif isinstance(environment, HouseholdEnv):
        if environment.panel == "heldout" and environment.index is None:
            drawn = [panel_task("heldout", index) for index in range(panel_size())]
        else:
            drawn = [environment.task]
        yield from ((task.scene, task.goal) for task in drawn)
