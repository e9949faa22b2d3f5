"""What a household is made of: rooms, things with affordances, and the state of both as plain frozen data.

The reference keeps a graph of 358 nodes and 672 edges and rewrites it at every step. Only a few facts of that
graph can change, so a state here is nine numbers, most packed into the bits of an integer: bit ``i`` speaks of
the thing with index ``i`` in `Scene.things`. States are hashable, and equal states behave alike for ever.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

ROOMS = ("kitchen", "bathroom", "bedroom", "living room")
"""The four rooms, in the order of the symbolic observation; any room is one walk from any other."""

AFFORDANCES = ("grabbable", "container", "surface", "switch", "seat")
"""What can be done with a thing. A container has a door; a surface has none."""

HANDS = 2
AT_HOME = -1
IN_HAND = -2
NOWHERE = -1


@dataclass(frozen=True)
class Thing:
    """One thing of a scene.

    Args:
        name: what it is called, without an article; unique in its scene.
        room: the room where it stands at the start. What is not grabbable stays there for good.
        affords: what can be done with it, from `AFFORDANCES`.
        plural: True for a name that reads as many ("chips").
        faces: the name of the thing that whoever sits on this seat looks at; "" for none.
        inside: the name of the container or surface where it is at the start; "" for somewhere in the room.
        is_open: True for a container whose door is open at the start.
        is_on: True for a switch that is on at the start.
    """

    name: str
    room: str
    affords: frozenset[str]
    plural: bool = False
    faces: str = ""
    inside: str = ""
    is_open: bool = False
    is_on: bool = False

    @property
    def text(self) -> str:
        """The thing with its article, as it reads inside a sentence."""
        return f"the {self.name}"


@dataclass(frozen=True)
class Action:
    """One entry of a task's action space.

    Args:
        verb: "go" (to a room), "walk" (to a thing), "grab", "put", "open", "close", "switch on", "switch
            off", "sit" or "stand".
        thing: the name of the room or thing that it is about; "" for "stand".
        holder: for "put": the container or surface that the thing goes into.
    """

    verb: str
    thing: str = ""
    holder: str = ""


@dataclass(frozen=True)
class Scene:
    """The things of a household and where its character starts; what never changes during an episode."""

    things: tuple[Thing, ...]
    start: str
    index: dict[str, int] = field(init=False, compare=False, repr=False)
    rooms: tuple[int, ...] = field(init=False, compare=False, repr=False)
    containers: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "index", {thing.name: i for i, thing in enumerate(self.things)})
        object.__setattr__(self, "rooms", tuple(ROOMS.index(thing.room) for thing in self.things))
        object.__setattr__(self, "containers", self.bits("container"))

    def bits(self, affordance: str) -> int:
        """The set of things with one affordance, as bits."""
        return sum(1 << i for i, thing in enumerate(self.things) if affordance in thing.affords)


class State(NamedTuple):
    """Everything that can change. Sets of things are bits; places and lag rooms have one entry per thing."""

    room: int
    """Index into `ROOMS`."""
    near: int
    """What the character stands close to."""
    places: tuple[int, ...]
    """`AT_HOME`, `IN_HAND`, or the index of the container or surface that holds the thing."""
    lag_rooms: tuple[int, ...]
    """For what is held: the room where the reference believes it to be, one walk behind; else `NOWHERE`."""
    open: int
    on: int
    sitting: int
    """Index of the seat, or -1; blocks walking."""
    sat: int
    """Seats sat on so far; never forgotten, as in the reference."""
    facing: int
    """What the character looks at since it sat down; ends with the next walk."""


def start_state(scene: Scene) -> State:
    """The state at the beginning of an episode: close to nothing, hands empty."""
    return State(
        room=ROOMS.index(scene.start),
        near=0,
        places=tuple(scene.index[thing.inside] if thing.inside else AT_HOME for thing in scene.things),
        lag_rooms=(NOWHERE,) * len(scene.things),
        open=sum(1 << i for i, thing in enumerate(scene.things) if thing.is_open),
        on=sum(1 << i for i, thing in enumerate(scene.things) if thing.is_on),
        sitting=-1,
        sat=0,
        facing=0,
    )
