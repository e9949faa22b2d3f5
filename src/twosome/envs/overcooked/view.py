"""What the cook perceives of a state, and what follows: the symbolic observation, and which actions make sense.

`perceive` turns a state into a `View`, which is all that the prompt, the mask and the symbolic observation may depend
on; with single steps it is `recall`, from memory. So text and mask never know more than the cook does.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twosome.envs.overcooked.dynamics import CHOPPED, Memory, State, food_cell, plate_cell
from twosome.envs.overcooked.layout import (
    DELIVERY,
    PLATE_START,
    SIZE,
    STAY,
    TASKS,
    Cell,
    Kitchen,
    Macro,
    distance,
    step_to,
    ways,
)

UNSEEN: Cell = (0, 0)
"""How the symbolic observation writes "not in view"; the corner can never hold anything."""


class Sight(NamedTuple):
    """One thing the cook knows the place of."""

    cell: Cell
    strokes: float = 0.0
    """Share of the strokes of the knife that a vegetable needs and has had; fades in memory."""
    in_view: bool = True
    """False for what is only remembered, which happens with single steps."""

    @property
    def chopped(self) -> bool:
        """Whether it is known to be ready for the salad."""
        return self.strokes == 1


class View(NamedTuple):
    """What the cook perceives."""

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


def perceive(kitchen: Kitchen, state: State) -> View:
    """The view of a state; two states with one view cannot be told apart by the cook."""
    agent = state.agent
    cells = [food_cell(state, i) for i in range(len(state.foods))]
    foods = (
        Sight(cell, food.chops / CHOPPED) if kitchen.sees(agent, cell) else None
        for cell, food in zip(cells, state.foods, strict=True)
    )
    plate = plate_cell(state)
    return View(agent, tuple(foods), Sight(plate) if kitchen.sees(agent, plate) else None)


def recall(kitchen: Kitchen, agent: Cell, memory: Memory) -> View:
    """The view of a cook who chooses single steps: what is out of view is remembered."""
    foods = (
        Sight(cell, strokes, kitchen.sees(agent, cell))
        for cell, strokes in zip(memory.foods, memory.counters, strict=True)
    )
    return View(agent, tuple(foods), Sight(memory.plate, in_view=kitchen.sees(agent, memory.plate)))


def vector(kitchen: Kitchen, view: View) -> NDArray[np.int64]:
    """The symbolic observation: rows, columns and strokes of everything in view, zeros for the rest.

    Layout: row, column, strokes of each vegetable; row, column of the plate, of each board, of the hatch and
    of the cook; the task as one-hot code of length 7.
    """
    entries: list[int] = []
    for food in view.foods:
        entries += [*food.cell, round(food.strokes * CHOPPED)] if food else [*UNSEEN, 0]
    entries += view.plate.cell if view.plate else UNSEEN
    for cell in (*kitchen.boards, DELIVERY):
        entries += cell if kitchen.sees(view.agent, cell) else UNSEEN
    return np.array([*entries, *view.agent, *_task(kitchen)], dtype=np.int64)


def recalled_vector(kitchen: Kitchen, view: View) -> NDArray[np.float64]:
    """The symbolic observation of single steps: laid out as `vector`, all of it from memory, scaled to 0..1."""
    entries: list[float] = []
    for food in filter(None, view.foods):
        entries += [food.cell[0] / SIZE, food.cell[1] / SIZE, food.strokes]
    plate = view.plate.cell if view.plate else UNSEEN
    for row, col in (plate, *kitchen.boards, DELIVERY, view.agent):
        entries += [row / SIZE, col / SIZE]
    return np.array([*entries, *_task(kitchen)], dtype=np.float64)


def _task(kitchen: Kitchen) -> Iterator[int]:
    """The task as one-hot code."""
    return (int(task == kitchen.task) for task in TASKS)


def sensible(kitchen: Kitchen, view: View, macro: Macro) -> bool:
    """Whether a macro-action is valid: it could change something, as far as the view tells.

    One always is: the first board and the hatch can be walked to in every layout, and nobody stands beside both.
    """
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


def sensible_move(kitchen: Kitchen, view: View, move: int) -> bool:
    """Whether one of the five primitive actions is valid: it changes something.

    Walls and everything beside the cook are always in view, so this is exact. Staying changes nothing and
    is never valid; there is always a floor cell beside the cook.
    """
    cell = step_to(view.agent, move)
    if move == STAY:
        return False
    if cell in kitchen.floor:
        return True
    return not view.empty_handed if cell == DELIVERY else _bump_changes(view, cell)
