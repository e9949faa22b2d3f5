"""The kitchen in words: the prompt and the phrases of the actions, from what the cook sees and nothing else.

The four principles of the paper (section "Prompt design") at work: the prompt stops in mid-sentence and
each phrase completes it; every noun has its article; the salad and its vegetables are named; and a phrase
fits its moment, so that fetching the tomato is "put the tomato in the bowl" while the bowl is in hand.

What is in the way of nothing stays unsaid: a vegetable that the salad does not ask for is mentioned only
where it is not in its place.
"""

from collections.abc import Sequence

from twosome.envs.overcooked.dynamics import dish_name
from twosome.envs.overcooked.layout import DELIVERY, ISLAND_COLUMN, Cell, Kitchen, Macro, distance
from twosome.envs.overcooked.view import View, board_beside, raw_food_beside

ORDINALS = ("first", "second", "third", "fourth", "fifth")
BOARD_NAMES = {1: ("the cutting board",), 2: ("the first cutting board", "the second cutting board")}


def prompt(kitchen: Kitchen, view: View) -> str:
    """What is wanted, where the cook stands, what is in view, what is in hand; then an unfinished sentence."""
    sentences = [f"You want to serve {salad(kitchen)}.", *_standing(kitchen, view), *_in_view(kitchen, view)]
    return " ".join([*sentences, _in_hand(kitchen, view), "Now you"])


def salad(kitchen: Kitchen) -> str:
    """The salad that is wanted, with its article."""
    name = f"{join(kitchen.recipe)} salad"
    return f"an {name}" if name.startswith("o") else f"a {name}"


def join(parts: Sequence[str]) -> str:
    """An enumeration: "x", "x and y", "x, y and z"."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


def _standing(kitchen: Kitchen, view: View) -> list[str]:
    """The sentence about the cook's own place: the cutting board, or more in a room of two halves."""
    board = board_beside(kitchen, view)
    spot = "" if board is None else f" at {_board_name(kitchen, board)}"
    if kitchen.island:
        spot = f" {_half(view)}{spot or _landmark(kitchen, view)}"
    return [f"You stand{spot}."] if spot else []


def _half(view: View) -> str:
    """Which half of the room the cook is in."""
    column = view.agent[1]
    return "in the passage" if column == ISLAND_COLUMN else f"on the {'left' if column < ISLAND_COLUMN else 'right'}"


def _landmark(kitchen: Kitchen, view: View) -> str:
    """What is beside the cook in a room of two halves, apart from cutting boards."""
    if distance(view.agent, DELIVERY) == 1:
        return " at the serving counter"
    beside = next((cell for cell in kitchen.island if distance(view.agent, cell) == 1), None)
    return f" at {_counter_name(beside)}" if beside else ""


def _counter_name(cell: Cell) -> str:
    """The name of a counter in the middle of the room, counted from the top."""
    return f"the {ORDINALS[cell[0] - 1]} counter"


def _in_view(kitchen: Kitchen, view: View) -> list[str]:
    """The sentence about everything in view that is not in hand."""
    things = []
    for i, name in enumerate(kitchen.foods):
        sight = view.foods[i]
        if sight is not None and sight.cell != view.agent and i not in view.in_plate:
            things.append(f"a {_state_of(view, i)} {name}{_place(kitchen, view, sight.cell)}")
    if view.plate is not None and not view.holds_plate:
        bowl = f"a bowl with {_contents(kitchen, view)}" if view.in_plate else "an empty bowl"
        things.append(bowl + _place(kitchen, view, view.plate.cell))
    return [f"You see {join(things)}."] if things else []


def _in_hand(kitchen: Kitchen, view: View) -> str:
    if view.holds_plate:
        return f"You hold the bowl with {_contents(kitchen, view)}." if view.in_plate else "You hold the empty bowl."
    if view.held_food is None:
        return "Your hands are empty."
    return f"You hold the {_state_of(view, view.held_food)} {kitchen.foods[view.held_food]}."


def _contents(kitchen: Kitchen, view: View) -> str:
    """The vegetables in the bowl, in the order of the salad's name."""
    return join([f"the chopped {name}" for name in sorted(kitchen.foods[i] for i in view.in_plate)])


def _state_of(view: View, food: int) -> str:
    sight = view.foods[food]
    return "chopped" if sight is not None and sight.chopped else "raw"


def _place(kitchen: Kitchen, view: View, cell: Cell) -> str:
    """Where something lies, as the end of a phrase; nothing for its usual place."""
    if cell in kitchen.boards:
        return f" on {_board_name(kitchen, kitchen.boards.index(cell))}"
    if cell in kitchen.island:
        return f" on {_counter_name(cell)}"
    says_beside = view.holds_plate or (kitchen.island and view.held_food is not None)
    return " beside you" if says_beside and distance(view.agent, cell) == 1 else ""


def _board_name(kitchen: Kitchen, board: int) -> str:
    return BOARD_NAMES[len(kitchen.boards)][board]


def phrase(kitchen: Kitchen, view: View, macro: Macro) -> str:
    """The words for a macro-action in this view."""
    if macro.kind == "food":
        return _fetch_phrase(kitchen, view, macro.food)
    if macro.kind == "plate":
        return _plate_phrase(kitchen, view)
    if macro.kind == "chop":
        food = raw_food_beside(kitchen, view)
        return f"chop the {kitchen.foods[food]}" if food is not None else "chop nothing"
    if macro.kind == "counter":
        carried = _carried(kitchen, view)
        return f"put the {carried} on the counter" if carried else "walk to the counter"
    if macro.cell == DELIVERY:
        return _serve_phrase(kitchen, view)
    carried = _carried(kitchen, view)
    board = _board_name(kitchen, kitchen.boards.index(macro.cell))
    return f"carry the {carried} to {board}" if carried else f"walk to {board}"


def _carried(kitchen: Kitchen, view: View) -> str:
    """The bare name of what is in hand, or nothing."""
    if view.holds_plate:
        return "bowl"
    return "" if view.held_food is None else kitchen.foods[view.held_food]


def _fetch_phrase(kitchen: Kitchen, view: View, food: int) -> str:
    """Words for "get <food>": it picks it up, fills the bowl with it, or is no more than a walk."""
    sight, name = view.foods[food], kitchen.foods[food]
    known = f"chopped {name}" if sight is not None and sight.chopped else name
    raw = sight is not None and not sight.chopped
    if view.holds_plate:
        return f"walk to the {name}" if raw else f"put the {known} in the bowl"
    if view.held_food is not None or (raw and sight is not None and sight.cell in kitchen.boards):
        return f"walk to the {known}"
    return f"pick up the {known}"


def _plate_phrase(kitchen: Kitchen, view: View) -> str:
    """Words for "get plate": it takes it, or first puts the chopped vegetable from the hand into it."""
    if view.held_food is None:
        return "take the bowl"
    if _state_of(view, view.held_food) == "chopped":
        return f"put the chopped {kitchen.foods[view.held_food]} in the bowl"
    return "walk to the bowl"


def _serve_phrase(kitchen: Kitchen, view: View) -> str:
    """Words for "deliver": it serves whatever is in hand; only the salad that is wanted is called by its name."""
    if view.holds_plate:
        if dish_name(kitchen.foods[i] for i in view.in_plate) == kitchen.task:
            return f"serve the {join(kitchen.recipe)} salad"
        return "serve the bowl" if view.in_plate else "serve the empty bowl"
    if view.held_food is not None:
        return f"serve the {_state_of(view, view.held_food)} {kitchen.foods[view.held_food]}"
    return "walk to the serving counter"


MOVE_PHRASES = ("step to the right", "step down", "step to the left", "step up", "stay where you are")
NUMBERS = ("no steps", "one step", "two steps", "three steps", "four steps", "five steps", "six steps")


def recalled_prompt(kitchen: Kitchen, view: View) -> str:
    """What is wanted, the way to everything, what is in hand; then an unfinished sentence."""
    sentences = [f"You want to serve {salad(kitchen)}."]
    for i, name in enumerate(kitchen.foods):
        sight = view.foods[i]
        if sight is not None and sight.cell != view.agent and i not in view.in_plate:
            thing = f"{_state_of(view, i)} {name}" if sight.in_view else name
            sentences.append(f"The {thing} is {_where(kitchen, view, sight.cell)}.")
    if view.plate is not None and not view.holds_plate:
        bowl = f"bowl with {_contents(kitchen, view)}" if view.in_plate else "empty bowl"
        sentences.append(f"The {bowl} is {_where(kitchen, view, view.plate.cell)}.")
    for i, board in enumerate(kitchen.boards):
        sentences.append(f"{_board_name(kitchen, i).capitalize()} is {_way(view.agent, board)}.")
    sentences.append(f"The serving counter is {_way(view.agent, DELIVERY)}.")
    return " ".join([*sentences, _in_hand(kitchen, view), "Now you"])


def _where(kitchen: Kitchen, view: View, cell: Cell) -> str:
    """Where a thing lies: on a board, whose own place is said elsewhere, or so many steps away."""
    if cell in kitchen.boards:
        return f"on {_board_name(kitchen, kitchen.boards.index(cell))}"
    return _way(view.agent, cell)


def _way(start: Cell, cell: Cell) -> str:
    """The way from one cell to another in words, as if there were no walls."""
    down, right = cell[0] - start[0], cell[1] - start[1]
    parts = []
    if down:
        parts.append(f"{NUMBERS[abs(down)]} {'down' if down > 0 else 'up'}")
    if right:
        parts.append(f"{NUMBERS[abs(right)]} to the {'right' if right > 0 else 'left'}")
    return join(parts)
