"""Household tasks without end: drawn at random, plus a fixed panel of 50 that training never meets.

Each task has one item, one container, one surface, one switch and one seat, spread over the four rooms. The
goal is of one of three kinds: put the item in the container and close it; put the item on the surface; switch
something on and sit down. What the goal does not need is there all the same, to be ignored. All tasks share
one action space (ids 0 to 9 mean what they mean in food preparation) and one layout of the symbolic
observation.

A *combination* is a kind of goal with the two things that it names. `heldout_v1.json` fixes the combinations
that are held out, two scenes for each; tasks for training are drawn from all others. Every noun occurs in
both.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib import resources
from itertools import product

import numpy as np

from twosome.envs.household.graph import ROOMS, Action, Scene, Thing, start_state
from twosome.envs.household.oracle import shortest
from twosome.envs.household.tasks import (
    ROOM_ACTIONS,
    Condition,
    Feature,
    Task,
    container,
    is_success,
    item,
    room_features,
)
from twosome.errors import ConfigError, quote

PANELS = ("train", "heldout")
PANEL_VERSION = 1
PANEL_FILE = f"heldout_v{PANEL_VERSION}.json"
NUM_TRAIN = 1000
"""Training tasks that an environment draws from when no index is given; any other index works as well."""

KINDS = ("put in", "put on", "switch on and sit")
ITEMS = {
    "food": ("apple", "bread", "cake", "juice"),
    "dishes": ("cup", "bowl", "glass", "spoon"),
    "clothes": ("shirt", "socks", "towel"),
    "papers": ("book", "newspaper", "letter"),
}
PLURAL = frozenset({"socks"})
ITEM_ROOMS = {
    "food": ("kitchen", "living room"),
    "dishes": ("kitchen", "living room", "bedroom"),
    "clothes": ("bathroom", "bedroom"),
    "papers": ("living room", "bedroom", "kitchen"),
}
CONTAINERS = {
    "fridge": ("kitchen", ("food",)),
    "microwave": ("kitchen", ("food",)),
    "cupboard": ("kitchen", ("food", "dishes")),
    "dishwasher": ("kitchen", ("dishes",)),
    "washing machine": ("bathroom", ("clothes",)),
    "wardrobe": ("bedroom", ("clothes",)),
    "drawer": ("bedroom", ("clothes", "papers")),
}
"""Container to its room and the sorts of items that belong in it."""
SURFACES = {
    "kitchen table": ("kitchen", ("food", "dishes", "papers")),
    "coffee table": ("living room", ("food", "dishes", "papers")),
    "desk": ("bedroom", ("dishes", "papers")),
    "bookshelf": ("living room", ("papers",)),
    "washing basket": ("bathroom", ("clothes",)),
}
SWITCHES = {
    "TV": ("living room",),
    "radio": ("kitchen", "bedroom"),
    "lamp": ("living room", "bedroom"),
    "computer": ("bedroom",),
    "heater": ("bathroom", "bedroom"),
}
SEATS = {
    "sofa": ("living room",),
    "armchair": ("living room", "bedroom"),
    "chair": ("kitchen", "bedroom"),
    "bed": ("bedroom",),
    "stool": ("bathroom", "kitchen"),
}

Combination = tuple[str, str, str]
"""Kind of goal, and the two things that it names."""


@dataclass(frozen=True)
class Draw:
    """What was drawn for one task; plain data, from which `build` makes the task."""

    kind: str
    start: str
    item: str
    item_room: str
    item_inside: str
    container: str
    is_open: bool
    surface: str
    switch: str
    switch_room: str
    is_on: bool
    seat: str
    seat_room: str

    @property
    def combination(self) -> Combination:
        """What the goal is about."""
        if self.kind == "put in":
            return (self.kind, self.item, self.container)
        if self.kind == "put on":
            return (self.kind, self.item, self.surface)
        return (self.kind, self.switch, self.seat)


def combinations(kind: str) -> Iterator[Combination]:
    """All combinations of one kind, held out or not, in a fixed order."""
    if kind == "switch on and sit":
        yield from ((kind, switch, seat) for switch, seat in product(SWITCHES, SEATS))
        return
    for holder, (_, sorts) in (CONTAINERS if kind == "put in" else SURFACES).items():
        yield from ((kind, name, holder) for sort in sorts for name in ITEMS[sort])


def build(draw: Draw, name: str) -> Task:
    """The task of a draw."""
    it, box, top, switch, seat = draw.item, draw.container, draw.surface, draw.switch, draw.seat
    thing = item(it, draw.item_room, plural=it in PLURAL)
    things = (
        Thing(it, thing.room, thing.affords, thing.plural, inside=draw.item_inside),
        Thing(box, CONTAINERS[box][0], container(box, "").affords, is_open=draw.is_open),
        Thing(top, SURFACES[top][0], frozenset({"surface"})),
        Thing(switch, draw.switch_room, frozenset({"switch"}), is_on=draw.is_on),
        Thing(seat, draw.seat_room, frozenset({"seat"})),
    )
    wish, goal = _goal(draw)
    return Task(name, wish, Scene(things, draw.start), _actions(*things), _features(*things), goal)


def _goal(draw: Draw) -> tuple[str, tuple[Condition, ...]]:
    if draw.kind == "put in":
        goal = (Condition("is in", draw.item, draw.container), Condition("is closed", draw.container))
        return f"put the {draw.item} in the {draw.container} and close it", goal
    if draw.kind == "put on":
        return f"put the {draw.item} on the {draw.surface}", (Condition("is in", draw.item, draw.surface),)
    goal = (Condition("is on", draw.switch), Condition("is sat on", draw.seat))
    return f"switch on the {draw.switch} and sit on the {draw.seat}", goal


def _actions(it: Thing, box: Thing, top: Thing, switch: Thing, seat: Thing) -> tuple[Action, ...]:
    return (
        *ROOM_ACTIONS,
        Action("walk", it.name),
        Action("walk", box.name),
        Action("grab", it.name),
        Action("put", it.name, box.name),
        Action("open", box.name),
        Action("close", box.name),
        Action("walk", top.name),
        Action("put", it.name, top.name),
        Action("walk", switch.name),
        Action("switch on", switch.name),
        Action("switch off", switch.name),
        Action("walk", seat.name),
        Action("sit", seat.name),
        Action("stand"),
    )


def _features(it: Thing, box: Thing, top: Thing, switch: Thing, seat: Thing) -> tuple[Feature, ...]:
    return (
        *room_features(),
        *(Feature(kind, it.name) for kind in ("see", "close", "hold")),
        *(Feature(kind, box.name) for kind in ("see", "close", "open")),
        Feature("in", it.name, box.name),
        *(Feature(kind, top.name) for kind in ("see", "close")),
        Feature("in", it.name, top.name),
        *(Feature(kind, switch.name) for kind in ("see", "close", "on")),
        *(Feature(kind, seat.name) for kind in ("see", "close", "sitting")),
    )


def draw_scene(combination: Combination, rng: np.random.Generator) -> Draw:
    """Everything else about a task, at random around what its goal is about."""
    kind, first, second = combination
    if kind == "switch on and sit":
        it, switch, seat = _one(sorted(sum(ITEMS.values(), ())), rng), first, second
    else:
        it, switch, seat = first, _one(list(SWITCHES), rng), _one(list(SEATS), rng)
    sort = next(sort for sort, names in ITEMS.items() if it in names)
    boxes, tops = ([h for h, (_, sorts) in hs.items() if sort in sorts] for hs in (CONTAINERS, SURFACES))
    box = second if kind == "put in" else _one(boxes, rng)
    top = second if kind == "put on" else _one(tops, rng)
    elsewhere = {"put in": ["", "", top], "put on": ["", "", box], "switch on and sit": ["", box, top]}
    inside = _one(elsewhere[kind], rng)
    room = {**CONTAINERS, **SURFACES}[inside][0] if inside else _one(list(ITEM_ROOMS[sort]), rng)
    switch_room, seat_room = _one(list(SWITCHES[switch]), rng), _one(list(SEATS[seat]), rng)
    # Who starts beside the seat and comes back to it later sees the same both times, and would need a memory.
    needs_memory = kind == "switch on and sit" and switch_room != seat_room
    return Draw(
        kind=kind,
        start=_one([room for room in ROOMS if not (needs_memory and room == seat_room)], rng),
        item=it,
        item_room=room,
        item_inside=inside,
        container=box,
        is_open=bool(rng.random() < 0.25),
        surface=top,
        switch=switch,
        switch_room=switch_room,
        is_on=bool(kind != "switch on and sit" and rng.random() < 0.5),
        seat=seat,
        seat_room=seat_room,
    )


def _one(choices: list[str], rng: np.random.Generator) -> str:
    return choices[int(rng.integers(len(choices)))]


@lru_cache(maxsize=1)
def _heldout() -> tuple[str, tuple[Draw, ...]]:
    content = resources.files(__package__).joinpath(PANEL_FILE).read_text("utf-8")
    return content, tuple(Draw(**entry) for entry in json.loads(content))


def panel_hash() -> str:
    """SHA-256 of the held-out panel's file: results on panels with one hash can be compared."""
    return hashlib.sha256(_heldout()[0].encode()).hexdigest()


def panel_size() -> int:
    """How many held-out tasks there are."""
    return len(_heldout()[1])


def heldout_combinations() -> frozenset[Combination]:
    """The combinations that no training task is about."""
    return frozenset(draw.combination for draw in _heldout()[1])


@lru_cache(maxsize=len(KINDS))
def trained_combinations(kind: str) -> tuple[Combination, ...]:
    """The combinations of one kind that are not held out, in a fixed order."""
    heldout = heldout_combinations()
    return tuple(combination for combination in combinations(kind) if combination not in heldout)


@lru_cache(maxsize=1024)
def panel_task(panel: str, index: int) -> Task:
    """One task of a panel, the same for the same arguments for ever; proven to be solvable.

    Args:
        panel: "train" or "heldout".
        index: for "train" any number from 0 on, the seed of the draw; for "heldout" 0 to 49.

    Raises:
        ConfigError: an argument is out of range.
    """
    if panel not in PANELS:
        raise ConfigError(f"panel: expected one of {', '.join(map(repr, PANELS))}, found {quote(panel)}.")
    check_index(index)
    if panel == "heldout" and index >= panel_size():
        raise ConfigError(f"index: expected 0 to {panel_size() - 1}, the held-out tasks, found {index}.")
    draw = _heldout()[1][index] if panel == "heldout" else train_draw(index)
    return proven(build(draw, panel_name(panel, index)))


def check_index(index: object) -> None:
    """Accept what can be a task's number in a panel (ConfigError)."""
    if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < 2**63:
        found = f"one of {index.bit_length()} bits" if isinstance(index, int) and index >= 2**63 else repr(index)
        raise ConfigError(f"index: expected a whole number from 0 to 2**63 - 1, found {found}.")


def panel_name(panel: str, index: int | str) -> str:
    """The name of a task of a panel."""
    return f"HouseholdTask {panel} v{PANEL_VERSION} {index}"


def train_draw(index: int) -> Draw:
    """The draw of training task `index`; its combination is not held out."""
    rng = np.random.default_rng([PANEL_VERSION, index])
    kind = _one(list(KINDS), rng)
    allowed = trained_combinations(kind)
    return draw_scene(allowed[int(rng.integers(len(allowed)))], rng)


def proven(task: Task) -> Task:
    """The same task, after a search has found a way to its goal.

    Raises:
        ConfigError: there is none, or the goal holds at the start.
    """
    if is_success(task, start_state(task.scene)) or not shortest(task):
        raise ConfigError(f"task {task.name!r}: expected a goal that can be reached and does not hold yet.")
    return task


def draw_heldout(seed: int = 2024, scenes: int = 2) -> list[Draw]:
    """Draw the held-out panel anew, as `heldout_v1.json` was made; a new version needs a new file."""
    rng = np.random.default_rng(seed)
    draws: list[Draw] = []
    for kind, share in zip(KINDS, (9, 9, 7), strict=True):
        every = list(combinations(kind))
        chosen = sorted(rng.permutation(len(every))[:share].tolist())
        draws += [draw_scene(every[i], rng) for i in chosen for _ in range(scenes)]
    return draws


def panel_json(draws: list[Draw]) -> str:
    """The text of a panel's file."""
    return "[\n" + ",\n".join(json.dumps(asdict(draw)) for draw in draws) + "\n]\n"
