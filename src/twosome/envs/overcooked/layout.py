"""The kitchens: where everything stands, which actions exist, and the shortest ways through the room.

A cell is ``(row, column)``, both 0 to 6, row 0 on top. The border is solid, the 5 x 5 inside is floor
except for the extra counters of layouts B and C. A `Kitchen` holds whatever stays the same during an
episode; `dynamics.py` has what changes.
"""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from twosome.envs.arguments import check_choice, check_whole
from twosome.errors import ConfigError, quote

Cell = tuple[int, int]

SIZE = 7
MOVES: tuple[Cell, ...] = ((0, 1), (1, 0), (0, -1), (-1, 0), (0, 0))
RIGHT, DOWN, LEFT, UP, STAY = range(5)
MOVE_NAMES = ("right", "down", "left", "up", "stay")
FLOOR = frozenset((row, col) for row in range(1, SIZE - 1) for col in range(1, SIZE - 1))

TASKS = (
    "tomato salad",
    "lettuce salad",
    "onion salad",
    "lettuce-tomato salad",
    "onion-tomato salad",
    "lettuce-onion salad",
    "lettuce-onion-tomato salad",
)
FOOD_STARTS: Mapping[str, Cell] = MappingProxyType({"tomato": (0, 5), "lettuce": (1, 6), "onion": (2, 6)})
PLATE_START: Cell = (6, 5)
BOARDS: tuple[Cell, ...] = ((1, 0), (2, 0))
DELIVERY: Cell = (3, 0)
ISLAND_COLUMN = 3


class Layout(NamedTuple):
    """What tells one room from another."""

    agent_start: Cell
    island_rows: tuple[int, ...]
    """Rows of the counters in column 3, in the order in which "go to counter" tries them."""


LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {
        "A": Layout((1, 4), ()),
        "B": Layout((1, 2), (3, 2, 4, 1, 5)),
        "C": Layout((1, 2), (3, 2, 4, 1)),
    }
)


class Macro(NamedTuple):
    """One macro-action: what kind of errand it is, and what it is about."""

    name: str
    kind: Literal["food", "plate", "knife", "deliver", "chop", "counter", "nothing"]
    food: int = -1
    """Index of the food that is fetched; read only by the kind "food"."""
    cell: Cell = (0, 0)
    """Where the walk leads; read only by the kinds "knife" and "deliver"."""


@dataclass(frozen=True, eq=False)
class Kitchen:
    """Everything about a kitchen that stays the same during an episode.

    Made by `make_kitchen`, which returns the same object for the same arguments, so that caches can be
    keyed by identity.
    """

    task: str
    layout: str
    obs_radius: int
    foods: tuple[str, ...]
    """Names of the vegetables, in the order of the observation."""
    boards: tuple[Cell, ...]
    macros: tuple[Macro, ...] = field(repr=False)
    floor: frozenset[Cell] = field(repr=False)
    island: tuple[Cell, ...] = field(repr=False)
    """Counters in the middle of the room, in the order in which "go to counter" tries them."""

    @property
    def agent_start(self) -> Cell:
        """Where the cook stands at first."""
        return LAYOUTS[self.layout].agent_start

    @property
    def food_starts(self) -> tuple[Cell, ...]:
        """Where each vegetable lies at first, and again after it was served in error."""
        return tuple(FOOD_STARTS[food] for food in self.foods)

    @property
    def recipe(self) -> tuple[str, ...]:
        """The vegetables that the salad asks for, in the order of its name."""
        return tuple(self.task.removesuffix(" salad").split("-"))

    def sees(self, agent: Cell, cell: Cell) -> bool:
        """Whether `cell` lies in the square field of view; walls do not block the view."""
        return max(abs(agent[0] - cell[0]), abs(agent[1] - cell[1])) <= self.obs_radius

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy as the recipe, so that the copy is the one object of its kind."""
        return make_kitchen, (self.foods, self.task, self.layout, self.obs_radius)


def make_kitchen(foods: Sequence[str], task: str, layout: str = "A", obs_radius: int = 2) -> Kitchen:
    """The kitchen with these vegetables.

    Args:
        foods: `("tomato",)` for the kitchen with one cutting board, or all three vegetables for the one with two.
        task: the salad to serve, one of `TASKS`; its vegetables must be in the kitchen.
        layout: a key of `LAYOUTS`.
        obs_radius: how many cells the cook sees in each direction, 1 to 6.

    Raises:
        ConfigError: an argument is none of these.
    """
    # A list stands for a tuple, as in JSON; a text would pass for a sequence of letters.
    if not isinstance(foods, tuple | list) or tuple(foods) not in (("tomato",), tuple(FOOD_STARTS)):
        raise ConfigError(
            f"foods={quote(foods)}: expected ('tomato',) or {tuple(FOOD_STARTS)!r}, which are what TomatoSalad and "
            "TomatoLettuceSalad stand for."
        )
    allowed = tuple(t for t in TASKS if set(t.removesuffix(" salad").split("-")) <= set(foods))
    check_choice("task", task, allowed)
    check_choice("layout", layout, tuple(LAYOUTS))
    check_whole("obs_radius", obs_radius, 1, SIZE - 1, default=2)
    return _kitchen(tuple(foods), task, layout, obs_radius)


@lru_cache(maxsize=256)
def _kitchen(foods: tuple[str, ...], task: str, layout: str, obs_radius: int) -> Kitchen:
    """The one kitchen of these arguments, which have been checked."""
    island = tuple((row, ISLAND_COLUMN) for row in LAYOUTS[layout].island_rows)
    boards = BOARDS if len(foods) > 1 else BOARDS[:1]
    macros = _macros(foods, boards, has_island=bool(island))
    return Kitchen(task, layout, obs_radius, foods, boards, macros, FLOOR - set(island), island)


def _macros(foods: tuple[str, ...], boards: tuple[Cell, ...], *, has_island: bool) -> tuple[Macro, ...]:
    """The macro-actions by id."""
    fetch = [Macro(f"get {food}", "food", food=i) for i, food in enumerate(foods)]
    knives = [Macro(f"go to knife {i}", "knife", cell=board) for i, board in enumerate(boards, start=1)]
    deliver = Macro("deliver", "deliver", cell=DELIVERY)
    if has_island and len(boards) == 1:
        # In the recorded environments these two names are one place off: "go to knife 2" walks to the hatch and
        # serves there, "deliver" goes nowhere. Version 0 of the dynamics keeps that.
        knives.append(Macro("go to knife 2", "knife", cell=DELIVERY))
        deliver = Macro("deliver", "nothing")
    counter = [Macro("go to counter", "counter")] if has_island else []
    return (*fetch, Macro("get plate 1", "plate"), *knives, deliver, Macro("chop", "chop"), *counter)


def distance(a: Cell, b: Cell) -> int:
    """Manhattan distance; 1 means side by side."""
    return abs(a[0] - b[0]) + abs(a[1] - b[1])


def step_to(cell: Cell, move: int) -> Cell:
    """The cell that a move leads to."""
    return cell[0] + MOVES[move][0], cell[1] + MOVES[move][1]


def direction(start: Cell, target: Cell) -> int:
    """The move from a cell to the one beside it."""
    return MOVES.index((target[0] - start[0], target[1] - start[1]))


@cache
def ways(layout: str, target: Cell) -> Mapping[Cell, int]:
    """The first move of the way to `target`, for every floor cell that has one.

    Several ways can be equally short, and which one is taken can be seen from where the cook stops. So this
    is the search of the recorded environments with its order of ties: A* on the Manhattan distance.
    """
    floor = FLOOR - {(row, ISLAND_COLUMN) for row in LAYOUTS[layout].island_rows}
    first_moves = {start: _first_move(floor, start, target) for start in sorted(floor)}
    return MappingProxyType({start: move for start, move in first_moves.items() if move is not None})


@dataclass
class _Node:
    """An entry of the search's queue. A tie counts as smaller: the younger of two equal entries wins."""

    estimate: int
    cell: Cell
    steps: int
    first_move: int | None

    def __lt__(self, other: "_Node") -> bool:
        return self.estimate <= other.estimate


def _first_move(floor: frozenset[Cell], start: Cell, target: Cell) -> int | None:
    """The first move of the way from `start` to beside `target`; None if there is no way."""
    queue = [_Node(distance(start, target), start, 0, None)]
    discovered = {start}
    while queue:
        node = heapq.heappop(queue)
        for move in (RIGHT, LEFT, DOWN, UP):
            cell = step_to(node.cell, move)
            if cell in discovered:
                continue
            first_move = move if node.first_move is None else node.first_move
            if cell in floor:
                discovered.add(cell)
                steps = node.steps + 1
                heapq.heappush(queue, _Node(steps + distance(cell, target), cell, steps, first_move))
            if cell == target:
                return first_move
    return None
