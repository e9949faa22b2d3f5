"""What an observation says: which things are in view and where, and which actions could change something.

Everything here is computed from the observation vector, so that text and mask never know more than the
cook does.
"""

from collections.abc import Sequence
from typing import NamedTuple

from twosome.envs.overcooked.layout import (
    DELIVERY,
    MOVE_NAMES,
    PLATE_START,
    SIZE,
    STAY,
    Cell,
    Kitchen,
    Macro,
    distance,
    step_to,
    ways,
)

NOWHERE: Cell = (0, 0)
"""How the observation writes "not in view"; the corner can never hold anything."""


class Sight(NamedTuple):
    """One thing the cook knows the place of."""

    cell: Cell
    in_view: bool
    """False for what is only remembered, which happens in the observation of single steps."""
    chopped: bool = False


class View(NamedTuple):
    """An observation, read."""

    agent: Cell
    foods: tuple[Sight | None, ...]
    """None where the cook has no idea."""
    plate: Sight | None

    @property
    def holds_plate(self) -> bool:
        """Whether the plate is in the cook's hand."""
        return self.plate is not None and self.plate.cell == self.agent

    @property
    def held_food(self) -> int | None:
        """Index of the vegetable in the bare hand."""
        if self.holds_plate:
            return None
        return next((i for i, food in enumerate(self.foods) if food and food.cell == self.agent), None)

    @property
    def empty_handed(self) -> bool:
        """Whether the cook carries nothing."""
        return not self.holds_plate and self.held_food is None

    @property
    def in_plate(self) -> tuple[int, ...]:
        """Indices of the vegetables that lie in the plate, as far as the plate is known."""
        if self.plate is None:
            return ()
        return tuple(i for i, food in enumerate(self.foods) if food and food.cell == self.plate.cell)

    def food_on(self, cell: Cell) -> int | None:
        """Index of the vegetable on a counter or board, without those in the plate."""
        if self.plate is not None and self.plate.cell == cell:
            return None
        return next((i for i, food in enumerate(self.foods) if food and food.cell == cell), None)


def read_macro(kitchen: Kitchen, vector: Sequence[int]) -> View:
    """The view that an observation of macro-actions describes.

    Args:
        kitchen: where the observation was made.
        vector: as `world.observe` returns it.
    """
    n = len(kitchen.foods)
    foods = []
    for row, col, chops in (vector[3 * i : 3 * i + 3] for i in range(n)):
        foods.append(None if (row, col) == NOWHERE else Sight((row, col), True, chops == 3))
    cell = (vector[3 * n], vector[3 * n + 1])
    agent_at = 3 * n + 4 + 2 * len(kitchen.boards)
    agent = (vector[agent_at], vector[agent_at + 1])
    return View(agent, tuple(foods), None if cell == NOWHERE else Sight(cell, True))


def read_primitive(kitchen: Kitchen, vector: Sequence[float]) -> View:
    """The view that an observation of single steps describes; places out of view are remembered ones.

    Args:
        kitchen: where the observation was made.
        vector: as `world.recollect` returns it.
    """
    n = len(kitchen.foods)

    def cell_at(i: int) -> Cell:
        return round(vector[i] * SIZE), round(vector[i + 1] * SIZE)

    agent = cell_at(3 * n + 4 + 2 * len(kitchen.boards))
    # The counter of an unseen vegetable fades, so that only "never touched" can be told from it.
    foods = (Sight(c := cell_at(3 * i), kitchen.sees(agent, c), vector[3 * i + 2] == 1) for i in range(n))
    plate = cell_at(3 * n)
    return View(agent, tuple(foods), Sight(plate, kitchen.sees(agent, plate)))


def offered_macros(kitchen: Kitchen, view: View) -> tuple[bool, ...]:
    """Which macro-actions could change something, as far as the view tells; True is offered.

    At least one always is: the first board and the hatch can be walked to in every layout, and nobody
    stands beside both.
    """
    return tuple(_may_change(kitchen, view, macro) for macro in kitchen.macros)


def _may_change(kitchen: Kitchen, view: View, macro: Macro) -> bool:
    if macro.kind == "chop":
        return view.empty_handed and raw_food_beside(kitchen, view) is not None
    if macro.kind == "counter":
        return _counter_may_change(kitchen, view)
    if macro.kind == "food":
        return _fetch_may_change(kitchen, view, macro.food)
    if macro.kind == "plate":
        return _plate_may_change(kitchen, view)
    if macro.kind == "nothing":
        return False
    if distance(view.agent, macro.cell) > 1:
        return True  # a walk
    return not view.empty_handed and (macro.cell == DELIVERY or _bump_changes(view, macro.cell))


def raw_food_beside(kitchen: Kitchen, view: View) -> int | None:
    """Index of the raw vegetable on the cutting board that the cook stands at."""
    for board in kitchen.boards:
        food = view.food_on(board)
        if food is not None and distance(view.agent, board) == 1 and not _is_chopped(view, food):
            return food
    return None


def board_beside(kitchen: Kitchen, view: View) -> int | None:
    """Index of the cutting board that the cook stands at."""
    return next((i for i, board in enumerate(kitchen.boards) if distance(view.agent, board) == 1), None)


def _is_chopped(view: View, food: int) -> bool:
    sight = view.foods[food]
    return sight is not None and sight.chopped


def _has_way(kitchen: Kitchen, view: View, target: Cell) -> bool:
    return view.agent in ways(kitchen.layout, target)


def _fetch_may_change(kitchen: Kitchen, view: View, food: int) -> bool:
    """Whether "get <food>" could change something."""
    sight = view.foods[food]
    if sight is None:
        # Out of view: it is a walk away, unless nobody ever got to it because of a wall.
        return _has_way(kitchen, view, kitchen.food_starts[food])
    if sight.cell == view.agent or food in view.in_plate:
        return False
    if distance(view.agent, sight.cell) > 1:
        return _has_way(kitchen, view, sight.cell)
    if sight.cell in kitchen.boards and not sight.chopped:
        return False
    return _bump_changes(view, sight.cell)


def _plate_may_change(kitchen: Kitchen, view: View) -> bool:
    """Whether "get plate" could change something."""
    if view.holds_plate:
        return False
    cell = view.plate.cell if view.plate else PLATE_START
    if distance(view.agent, cell) > 1:
        return _has_way(kitchen, view, cell)
    return view.held_food is None or _is_chopped(view, view.held_food)


def _counter_may_change(kitchen: Kitchen, view: View) -> bool:
    """Whether "go to counter" could change something: with empty hands, only if it is a walk."""
    if not view.empty_handed:
        return True
    taken = {sight.cell for sight in (view.plate, *view.foods) if sight}
    for cell in kitchen.island:
        if cell in taken:
            continue
        if not kitchen.sees(view.agent, cell):
            return True  # perhaps free, perhaps not: one of the two is a walk
        return distance(view.agent, cell) > 1
    return False


def _bump_changes(view: View, cell: Cell) -> bool:
    """Whether moving against this counter or board, which is in view, changes something."""
    held, lying = view.held_food, view.food_on(cell)
    if view.plate is not None and view.plate.cell == cell:
        return held is None or _is_chopped(view, held)
    if lying is None:
        return not view.empty_handed
    if view.holds_plate:
        return _is_chopped(view, lying)
    return held is None


def offered_moves(kitchen: Kitchen, view: View) -> tuple[bool, ...]:
    """Which of the five primitive actions change something; True is offered.

    Walls and everything beside the cook are always in view, so this is exact. Staying changes nothing and
    is never offered; there is always a floor cell beside the cook.
    """
    offered = []
    for move in range(len(MOVE_NAMES)):
        cell = step_to(view.agent, move)
        if move == STAY:
            offered.append(False)
        elif cell in kitchen.floor:
            offered.append(True)
        elif cell == DELIVERY:
            offered.append(not view.empty_handed)
        else:
            offered.append(_bump_changes(view, cell))
    return tuple(offered)
