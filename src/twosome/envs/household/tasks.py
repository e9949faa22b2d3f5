"""The tasks as data: a scene, the actions, what is observed, what is wanted, and how it is put into words.

`SPECS` maps the name of each registered environment to the keyword arguments of `HouseholdEnv`. A task of
one's own is a `Task`, or a plain mapping for `twosome.envs.household.schema.task_from_data`, which checks
every field.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from twosome.envs.household.graph import ROOMS, Action, Scene, State, Thing

ROOM_ACTIONS = tuple(Action("go", room) for room in ("living room", "kitchen", "bathroom", "bedroom"))
"""Ids 0 to 3 of every task, in the order of the reference."""

FOUND_IN_PLACE = "is with"
CONDITIONS = (
    "is in",
    "is open",
    "is closed",
    "is on",
    "is off",
    "is sat on",
    "was sat on",
    "is watched",
    FOUND_IN_PLACE,
)
WITH_HOLDER = ("is in", FOUND_IN_PLACE)
"""What a goal can ask of a thing; "is in" and "is with" (`WITH_HOLDER`) also name a container or surface."""


class Feature(NamedTuple):
    """One 0/1 entry of the symbolic observation.

    Args:
        kind: "room", "see", "close", "hold", "in", "open", "on", "sat" (ever, on a seat in sight), "facing"
            or "sitting" (now).
        thing: the room or thing that it is about.
        holder: for "in": the container or surface.
    """

    kind: str
    thing: str
    holder: str = ""


class Condition(NamedTuple):
    """One thing that must hold for success.

    Args:
        kind: one of `CONDITIONS`. "is sat on": by the character, now. "was sat on": at some time, and the
            character is in its room. "is with": close to the character, or in or on `holder`. "is watched":
            looked at by the character, who is in its room.
        thing: what it is about.
        holder: for "is in" and "is with": the container or surface.
    """

    kind: str
    thing: str
    holder: str = ""


@dataclass(frozen=True)
class Task:
    """A household task; a value, so equal tasks share their tables.

    Args:
        name: how the task is called in messages.
        wish: what completes "You want to".
        scene: the things and the room where the character starts.
        actions: the action space; the position is the id.
        features: the symbolic observation, entry by entry.
        goal: the conditions of success, all of which must hold.
        phrases: (action id, phrase) for each action that is worded otherwise than by default.
    """

    name: str
    wish: str
    scene: Scene
    actions: tuple[Action, ...]
    features: tuple[Feature, ...]
    goal: tuple[Condition, ...]
    phrases: tuple[tuple[int, str], ...] = ()
    conditions: tuple[tuple[str, int, int], ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        index = self.scene.index
        compiled = tuple((c.kind, index[c.thing], index[c.holder] if c.holder else -1) for c in self.goal)
        object.__setattr__(self, "conditions", compiled)


def is_success(task: Task, state: State) -> bool:
    """Whether every condition of the goal holds; asked after each step."""
    return all(_holds(task.scene, state, *condition) for condition in task.conditions)


def _holds(scene: Scene, state: State, kind: str, i: int, holder: int) -> bool:
    if kind == "is in":
        return state.places[i] == holder
    if kind == FOUND_IN_PLACE:
        return state.places[i] == holder or bool(state.near >> i & 1)
    if kind in ("is open", "is closed"):
        return bool(state.open >> i & 1) == (kind == "is open")
    if kind in ("is on", "is off"):
        return bool(state.on >> i & 1) == (kind == "is on")
    if kind == "is sat on":
        return state.sitting == i
    sets = state.sat if kind == "was sat on" else state.facing
    return state.room == scene.rooms[i] and bool(sets >> i & 1)


def room_features() -> tuple[Feature, ...]:
    """The four entries that say where the character is."""
    return tuple(Feature("room", room) for room in ROOMS)


def storing_task(name: str, wish: str, item: Thing, container: Thing, start: str = "kitchen") -> Task:
    """Put one item into one container and close it: 10 actions, 11 features, as in food preparation."""
    it, box = item.name, container.name
    return Task(
        name=name,
        wish=wish,
        scene=Scene((item, container), start),
        actions=(
            *ROOM_ACTIONS,
            Action("walk", it),
            Action("walk", box),
            Action("grab", it),
            Action("put", it, box),
            Action("open", box),
            Action("close", box),
        ),
        features=(
            *room_features(),
            *(Feature(kind, it) for kind in ("see", "close", "hold")),
            *(Feature(kind, box) for kind in ("see", "close", "open")),
            Feature("in", it, box),
        ),
        goal=(Condition("is in", it, box), Condition("is closed", box)),
    )


def item(name: str, room: str, plural: bool = False) -> Thing:
    """Something to grab."""
    return Thing(name, room, frozenset({"grabbable"}), plural)


def container(name: str, room: str) -> Thing:
    """Something with a door, closed at the start."""
    return Thing(name, room, frozenset({"container"}))


def entertainment() -> Task:
    """Sit down before the running TV with chips and milk: 17 actions, 21 features."""
    things = (
        item("chips", "kitchen", plural=True),
        item("milk", "kitchen"),
        Thing("TV", "living room", frozenset({"switch"})),
        Thing("sofa", "living room", frozenset({"seat"}), faces="TV"),
        Thing("coffee table", "living room", frozenset({"surface"})),
    )
    table = "coffee table"
    food = tuple(
        feature
        for it in ("chips", "milk")
        for feature in (*(Feature(kind, it) for kind in ("see", "close", "hold")), Feature("in", it, table))
    )
    return Task(
        name="Entertainment",
        wish="sit on the sofa and watch TV with the chips and the milk",
        scene=Scene(things, "kitchen"),
        actions=(
            *ROOM_ACTIONS,
            *(Action("walk", thing) for thing in ("chips", "milk", table, "TV", "sofa")),
            Action("grab", "chips"),
            Action("grab", "milk"),
            Action("put", "chips", table),
            Action("put", "milk", table),
            Action("switch on", "TV"),
            Action("switch off", "TV"),
            Action("sit", "sofa"),
            Action("stand"),
        ),
        features=(
            *room_features(),
            *food,
            *(Feature(kind, "TV") for kind in ("see", "close", "facing", "on")),
            *(Feature(kind, "sofa") for kind in ("see", "close", "sat")),
            *(Feature(kind, table) for kind in ("see", "close")),
        ),
        goal=(
            Condition("is watched", "TV"),
            Condition("is on", "TV"),
            Condition("was sat on", "sofa"),
            Condition(FOUND_IN_PLACE, "chips", table),
            Condition(FOUND_IN_PLACE, "milk", table),
        ),
    )


def _microwave_task(name: str, food: str) -> Task:
    wish = f"warm up the {food} in the microwave"
    return storing_task(name, wish, item(food, "kitchen"), container("microwave", "kitchen"))


TASKS: dict[str, Task] = {
    "FoodPreparation": _microwave_task("FoodPreparation", "pancake"),
    "Entertainment": entertainment(),
    "Cheese": _microwave_task("Cheese", "cheese"),
    "Hamburger": _microwave_task("Hamburger", "hamburger"),
    "ApplePie": _microwave_task("ApplePie", "apple pie"),
    "Pizza": _microwave_task("Pizza", "pizza"),
    "WashingPlate": storing_task(
        "WashingPlate",
        "wash the plate in the dishwasher",
        item("plate", "kitchen"),
        container("dishwasher", "kitchen"),
    ),
    "Laundry": storing_task(
        "Laundry",
        "wash the clothes in the washing machine",
        item("clothes", "bathroom", plural=True),
        container("washing machine", "bathroom"),
    ),
}
"""The named tasks. The last six are never trained on: another food, another appliance, another room."""

SPECS: dict[str, dict[str, object]] = {
    **{name: {"task": name} for name in TASKS},
    "HouseholdTask": {"panel": "train"},
}
"""Name of each registered environment (without "twosome/" and "-v0") to the arguments of `HouseholdEnv`."""
