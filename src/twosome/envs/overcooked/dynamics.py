"""The rules of the kitchen: pure functions on frozen data, for one cook.

`tick` is one primitive step, `run` one action of either kind, `remember` what the cook keeps in mind; what it sees is
in `view.py`. There is no facing: moving towards a solid cell is how one acts on it.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from twosome.envs.base import is_whole, require_saved, require_saved_keys
from twosome.envs.overcooked.layout import (
    DELIVERY,
    PLATE_START,
    SIZE,
    STAY,
    Cell,
    Kitchen,
    Macro,
    direction,
    distance,
    step_to,
    ways,
)

CHOPPED = 3
"""Strokes of the knife that a raw vegetable needs."""

Place = Cell | Literal["hand", "plate"]
Event = Literal["step", "subtask", "correct", "wrong"]


class Food(NamedTuple):
    """One vegetable: where it is, and how many strokes of the knife it has had (0 to 3)."""

    place: Place
    chops: int

    @property
    def chopped(self) -> bool:
        """Whether it is ready for the salad; otherwise it counts as raw."""
        return self.chops >= CHOPPED


class State(NamedTuple):
    """Everything that can change. The plate is never "in the plate"; food in it has the place "plate"."""

    agent: Cell
    foods: tuple[Food, ...]
    plate: Place


class ActionResult(NamedTuple):
    """What an action led to: the state after it, and what happened in each of its primitive steps."""

    state: State
    events: tuple[Event, ...]


class Hand(NamedTuple):
    """What the cook carries: a vegetable by its index, or the plate, or (None, False) nothing."""

    food: int | None
    plate: bool

    @property
    def empty(self) -> bool:
        """Whether nothing is carried."""
        return self.food is None and not self.plate


def start(kitchen: Kitchen) -> State:
    """The state at the beginning of every episode."""
    return State(kitchen.agent_start, tuple(Food(cell, 0) for cell in kitchen.food_starts), PLATE_START)


def hand(state: State) -> Hand:
    """What the cook carries."""
    held = next((i for i, food in enumerate(state.foods) if food.place == "hand"), None)
    return Hand(held, state.plate == "hand")


def plate_cell(state: State) -> Cell:
    """Where the plate is; the cook's cell while it is carried."""
    return state.plate if isinstance(state.plate, tuple) else state.agent


def food_cell(state: State, food: int) -> Cell:
    """Where a vegetable is; the cook's or the plate's cell while it is carried or served up."""
    place = state.foods[food].place
    if isinstance(place, tuple):
        return place
    return plate_cell(state) if place == "plate" else state.agent


def tick(kitchen: Kitchen, state: State, move: int) -> tuple[State, Event]:
    """One primitive step: walk, or act on the solid cell that is walked against."""
    if move == STAY:
        return state, "step"
    target = step_to(state.agent, move)
    if target in kitchen.floor:
        return state._replace(agent=target), "step"
    if target == DELIVERY:
        return _serve(kitchen, state)
    return _use(kitchen, state, target)


def _use(kitchen: Kitchen, state: State, cell: Cell) -> tuple[State, Event]:
    """Act on a counter or a cutting board: put down, take, fill the plate, or chop."""
    held, has_plate = hand(state)
    lying = next((i for i, food in enumerate(state.foods) if food.place == cell), None)
    on_board = cell in kitchen.boards
    if state.plate == cell:
        if held is None:
            return state._replace(plate="hand"), "step"
        if not state.foods[held].chopped:
            return state, "step"
        filled = _move_food(state, held, "plate")
        return (filled._replace(plate="hand") if on_board else filled), "step"
    if lying is None:
        if has_plate:
            return state._replace(plate=cell), "step"
        return (state if held is None else _move_food(state, held, cell)), "step"
    chopped = state.foods[lying].chopped
    if has_plate:
        return (_move_food(state, lying, "plate") if chopped else state), "step"
    if held is not None:
        return state, "step"
    if on_board and not chopped:
        return _chop(kitchen, state, lying)
    return _move_food(state, lying, "hand"), "step"


def _chop(kitchen: Kitchen, state: State, food: int) -> tuple[State, Event]:
    """One stroke of the knife. The last one pays if the name of the salad mentions the vegetable."""
    place, chops = state.foods[food]
    done = chops + 1 == CHOPPED and kitchen.foods[food] in kitchen.task
    return _set_food(state, food, Food(place, chops + 1)), ("subtask" if done else "step")


def _serve(kitchen: Kitchen, state: State) -> tuple[State, Event]:
    """Hand over what is carried. What was not ordered goes back to where it came from, raw and separate."""
    held, has_plate = hand(state)
    if held is None and not has_plate:
        return state, "step"
    inside = [i for i, food in enumerate(state.foods) if food.place == "plate"] if has_plate else []
    if inside and dish_name(kitchen.foods[i] for i in inside) == kitchen.task:
        return state._replace(plate=DELIVERY), "correct"
    returned = [held] if held is not None else inside
    for food in returned:
        state = _set_food(state, food, Food(kitchen.food_starts[food], 0))
    return (state._replace(plate=PLATE_START) if has_plate else state), "wrong"


def dish_name(foods: Iterable[str]) -> str:
    """The name of the salad made of these vegetables."""
    return "-".join(sorted(foods)) + " salad"


def _set_food(state: State, food: int, value: Food) -> State:
    return state._replace(foods=(*state.foods[:food], value, *state.foods[food + 1 :]))


def _move_food(state: State, food: int, place: Place) -> State:
    return _set_food(state, food, Food(place, state.foods[food].chops))


@lru_cache(maxsize=1 << 17)
def run(kitchen: Kitchen, state: State, action: int) -> ActionResult:
    """Carry out one macro-action to its end; it always takes at least one primitive step."""
    macro = kitchen.macros[action]
    events: list[Event] = []
    finished = False
    while not finished:
        move, finished = _choose(kitchen, state, macro, len(events))
        state, event = tick(kitchen, state, move)
        events.append(event)
        finished = finished or _has_arrived(kitchen, state, macro)
    return ActionResult(state, tuple(events))


def next_move(kitchen: Kitchen, state: State, action: int) -> int:
    """The primitive action with which a macro-action begins in this state."""
    return _choose(kitchen, state, kitchen.macros[action], 0)[0]


def _choose(kitchen: Kitchen, state: State, macro: Macro, ticks: int) -> tuple[int, bool]:
    """The next move of a macro-action that has had so many, and whether it is the last one."""
    if macro.kind == "chop":
        return _choose_chop(kitchen, state, ticks)
    if macro.kind == "counter":
        return _choose_counter(kitchen, state)
    return _choose_walk(kitchen, state, macro)


@lru_cache(maxsize=1 << 17)
def run_primitive(kitchen: Kitchen, state: State, action: int) -> ActionResult:
    """Carry out one primitive action."""
    state, event = tick(kitchen, state, action)
    return ActionResult(state, (event,))


def _choose_chop(kitchen: Kitchen, state: State, ticks: int) -> tuple[int, bool]:
    """The next move of "chop": three times against a board with raw food, whatever is in the hand."""
    for board in kitchen.boards:
        raw = any(food.place == board and not food.chopped for food in state.foods)
        if raw and distance(state.agent, board) == 1:
            return direction(state.agent, board), ticks + 1 == CHOPPED
    return STAY, True


def _choose_counter(kitchen: Kitchen, state: State) -> tuple[int, bool]:
    """The next move of "go to counter": to the first free counter in the middle, and against it."""
    taken = {state.plate, *(food.place for food in state.foods)}
    target = next((cell for cell in kitchen.island if cell not in taken), None)
    if target is None:
        return STAY, True
    return ways(kitchen.layout, target)[state.agent], distance(state.agent, target) == 1


def _target(state: State, macro: Macro) -> Cell:
    """Where a walk leads at this moment."""
    if macro.kind == "food":
        return food_cell(state, macro.food)
    if macro.kind == "plate":
        return plate_cell(state)
    return state.agent if macro.kind == "nothing" else macro.cell


def _choose_walk(kitchen: Kitchen, state: State, macro: Macro) -> tuple[int, bool]:
    """The next move of a walk, and whether it is the last one."""
    target = _target(state, macro)
    if target == state.agent:
        return STAY, True
    in_plate = macro.kind == "food" and target == plate_cell(state)
    if in_plate and kitchen.sees(state.agent, target):
        return STAY, True
    move = ways(kitchen.layout, target).get(state.agent)
    if move is None:
        return STAY, True
    if distance(state.agent, target) > 1:
        return move, False
    return _choose_bump(kitchen, state, macro, target, move)


def _choose_bump(kitchen: Kitchen, state: State, macro: Macro, target: Cell, move: int) -> tuple[int, bool]:
    """What to do beside the target: move against it, unless that would be the wrong thing."""
    held = hand(state)
    if macro.kind == "plate" and held.food is not None:
        chopped = state.foods[held.food].chopped
        # Chopped food goes into the plate first; the next step takes the plate.
        return (move, False) if chopped else (STAY, True)
    if macro.kind == "knife" and held.empty:
        return STAY, True
    if macro.kind == "food" and target in kitchen.boards and not state.foods[macro.food].chopped:
        return STAY, True
    return move, True


def _has_arrived(kitchen: Kitchen, state: State, macro: Macro) -> bool:
    """Whether a walk ends here without touching the target."""
    if macro.kind in ("knife", "deliver"):
        return hand(state).empty and distance(state.agent, macro.cell) == 1
    if macro.kind == "food" and not state.foods[macro.food].chopped:
        target = food_cell(state, macro.food)
        return target in kitchen.boards and distance(state.agent, target) == 1
    return False


def is_over(outcome: ActionResult) -> bool:
    """Whether the ordered salad was served; time limits are the environment's business."""
    return outcome.events[-1] == "correct"


class Memory(NamedTuple):
    """What is believed about the things that move; single steps are chosen by it."""

    foods: tuple[Cell, ...]
    counters: tuple[float, ...]
    """Share of the strokes that each vegetable has had; loses two thirds with every step out of sight."""
    plate: Cell


def first_memory(kitchen: Kitchen, state: State) -> Memory:
    """The memory at the beginning: the true places of everything, also of what is out of sight."""
    places = tuple(food_cell(state, i) for i in range(len(state.foods)))
    return remember(kitchen, Memory(places, (0.0,) * len(places), plate_cell(state)), state)


def remember(kitchen: Kitchen, memory: Memory, state: State) -> Memory:
    """The memory after looking around in `state`."""
    foods, counters = [], []
    for i, food in enumerate(state.foods):
        cell = food_cell(state, i)
        visible = kitchen.sees(state.agent, cell)
        foods.append(cell if visible else _recall(kitchen, state, memory.foods[i], kitchen.food_starts[i]))
        counters.append(food.chops / CHOPPED if visible else memory.counters[i] / CHOPPED)
    plate = plate_cell(state)
    if not kitchen.sees(state.agent, plate):
        plate = _recall(kitchen, state, memory.plate, PLATE_START)
    return Memory(tuple(foods), tuple(counters), plate)


def _recall(kitchen: Kitchen, state: State, remembered: Cell, first: Cell) -> Cell:
    """Where an unseen thing is believed to be: where it was, or at its start if it is plainly not there."""
    return first if kitchen.sees(state.agent, remembered) else remembered


def to_json(state: State) -> dict[str, Any]:
    """A state as plain JSON."""
    return {"agent": state.agent, "foods": [list(food) for food in state.foods], "plate": state.plate}


def from_json(kitchen: Kitchen, data: Any) -> State:
    """The state that `to_json` wrote down, also after a way through JSON, which makes lists of tuples.

    Raises:
        EnvError: it is no state of this kitchen.
    """
    require_saved_keys("world", data, State._fields)
    agent, plate = _cell("agent", data["agent"]), _place("plate", data["plate"], ("hand",))
    require_saved("agent", agent, agent in kitchen.floor, "a cell of the floor")
    foods = tuple(map(_food, _one_each(kitchen, "foods", data["foods"])))
    places = [plate, *(food.place for food in foods)]
    lying = [place for place in places if isinstance(place, tuple)]
    require_saved("places", places, places.count("hand") <= 1, "at most one thing in the hand")
    require_saved("places", places, not kitchen.floor & set(lying), "nothing on the floor")
    require_saved("places", places, len(set(lying)) == len(lying), "no two things on one counter")
    return State(agent, foods, plate)


def memory_to_json(memory: Memory) -> dict[str, Any]:
    """A memory as plain JSON."""
    return memory._asdict()


def memory_from_json(kitchen: Kitchen, data: Any) -> Memory:
    """The memory that `memory_to_json` wrote down.

    Raises:
        EnvError: it is no memory of this kitchen.
    """
    require_saved_keys("memory", data, Memory._fields)
    foods = tuple(_cell("foods", cell) for cell in _one_each(kitchen, "foods", data["foods"]))
    counters = _one_each(kitchen, "counters", data["counters"])
    holds = all(type(counter) in (int, float) and 0 <= counter <= 1 for counter in counters)
    require_saved("counters", counters, holds, "numbers from 0 to 1")
    return Memory(foods, tuple(counters), _cell("plate", data["plate"]))


def _one_each(kitchen: Kitchen, name: str, data: Any) -> Sequence[Any]:
    count = len(kitchen.foods)
    holds = isinstance(data, list | tuple) and len(data) == count
    require_saved(name, data, holds, f"a list with an entry for each of the kitchen's {count} vegetables")
    entries: Sequence[Any] = data
    return entries


def _food(data: Any) -> Food:
    require_saved("foods", data, isinstance(data, list | tuple) and len(data) == 2, "pairs of a place and strokes")
    place, chops = data
    require_saved("foods", data, is_whole(chops, 0, CHOPPED + 1), f"strokes from 0 to {CHOPPED}")
    return Food(_place("foods", place, ("hand", "plate")), chops)


def _cell(name: str, data: Any) -> Cell:
    holds = isinstance(data, list | tuple) and len(data) == 2 and all(is_whole(entry, 0, SIZE) for entry in data)
    require_saved(name, data, holds, f"a cell: row and column, each from 0 to {SIZE - 1}")
    row, col = data
    return row, col


def _place(name: str, data: Any, words: tuple[Literal["hand", "plate"], ...]) -> Place:
    word = next((word for word in words if data == word), None)
    return _cell(name, data) if word is None else word
