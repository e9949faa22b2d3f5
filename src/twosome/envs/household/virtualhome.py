"""The same tasks on VirtualHome's own evolving-graph simulator, from the PyPI package `virtualhome`.

The package is installed without its dependencies (``pip install --no-deps virtualhome==2.3.0``); importing it
as a whole would need a Unity client, so only its sub-package `evolving_graph` is loaded, from where it lies.
The package has no start graph either: `graph_of` builds a small one with the facts of the published home.
Three differences between this package and the copy that the published environments ran on are mended here,
without touching the package (see `DIFFERENCES`); `GraphSimulator(task, mended=False)` leaves them in.
"""

import importlib
import importlib.util
import sys
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from twosome.envs.household.graph import AT_HOME, IN_HAND, NOWHERE, ROOMS, Action, State, Thing, start_state
from twosome.envs.household.tasks import Task
from twosome.envs.household.view import is_visible
from twosome.errors import MissingExtraError

VERSION = "2.3.0"
DIFFERENCES = (
    "sitting down fails on a sofa that four things lie on (five lie on the one before the TV), and a second time "
    "on a seat for one, since having sat there is never forgotten",
    "whoever sits is not held to be sitting: walking goes on, standing up fails, sitting down works again",
    "switching needs no free hand",
)
"""What the package does otherwise than the published environments, mended by `_patched_executor`."""

CHARACTER = 1
ROOM_IDS = {"kitchen": 11, "bathroom": 172, "bedroom": 210, "living room": 267}
KNOWN_IDS = {
    "chips": 61,
    "milk": 46,
    "pancake": 62,
    "microwave": 109,
    "TV": 297,
    "sofa": 276,
    "coffee table": 268,
}
FURNITURE = {"pancake": ("kitchentable", 72), "milk": ("kitchentable", 72), "chips": ("kitchencounter", 92)}
"""What a thing lies on at the start, where that is not one of the task's things."""
ON_THE_SOFA = (("pillow", 501), ("pillow", 502), ("pillow", 503), ("pillow", 504), ("lamp", 505))
FIRST_FREE_ID = 1000
PROPERTIES = {
    "grabbable": ("GRABBABLE",),
    "container": ("CAN_OPEN", "CONTAINERS"),
    "surface": ("SURFACES",),
    "switch": ("HAS_SWITCH",),
    "seat": ("SITTABLE",),
}
SCRIPT_WORDS = {
    "go": "WALK",
    "walk": "WALK",
    "grab": "GRAB",
    "open": "OPEN",
    "close": "CLOSE",
    "switch on": "SWITCHON",
    "switch off": "SWITCHOFF",
    "sit": "SIT",
    "stand": "STANDUP",
}


@lru_cache(maxsize=1)
def load_package() -> SimpleNamespace:
    """The modules `environment`, `execution` and `scripts` of the package's simulator.

    Raises:
        MissingExtraError: the package is not installed.
    """
    found = importlib.util.find_spec("virtualhome")
    roots = list(found.submodule_search_locations or []) if found else []
    folders = [Path(root) / "simulation" / "evolving_graph" for root in roots]
    folder = next((folder for folder in folders if (folder / "__init__.py").is_file()), None)
    if folder is None:
        raise MissingExtraError(
            f"backend='virtualhome' needs the simulator of the package virtualhome {VERSION}, found none. Install "
            f"it without its dependencies: pip install --no-deps virtualhome=={VERSION}"
        )
    name = "twosome_evolving_graph"
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])
    parts = ("environment", "execution", "scripts")
    return SimpleNamespace(**{part: importlib.import_module(f"{name}.{part}") for part in parts})


class GraphSimulator:
    """Carries out a task's actions on VirtualHome's graph, and reads the graph back as a `State`.

    Like the published environments it refuses actions on things out of sight before the simulator sees them.

    Args:
        task: the task, of any scene.
        mended: False to leave the differences of the package in.

    Raises:
        MissingExtraError: the package is not installed.
    """

    def __init__(self, task: Task, mended: bool = True) -> None:
        self._package = load_package()
        self._scene = task.scene
        self._ids = {**ROOM_IDS, **thing_ids(task.scene.things)}
        self._scripts = [self._script(action) for action in task.actions]
        self._actions = task.actions
        self._mended = mended
        self.load(start_state(task.scene))

    def reset(self) -> State:
        """Back to the start."""
        self.load(start_state(self._scene))
        return self.state()

    def load(self, state: State) -> None:
        """Build the graph of `state`."""
        package = self._package
        graph = package.environment.EnvironmentGraph(graph_of(self._scene.things, self._ids, state))
        self._graph_state = package.environment.EnvironmentState(graph, {}, instance_selection=True)
        executor = _patched_executor() if self._mended else package.execution.ScriptExecutor
        self._executor = executor(graph, {})
        for thing, place in zip(self._scene.things, state.places, strict=True):
            if place == IN_HAND:  # without the mark it could be grabbed once more
                key = (package.scripts.Action.GRAB, self._ids[thing.name])
                room = self._graph_state.get_node(ROOM_IDS[thing.room])
                self._graph_state.executor_data[key] = (room, package.environment.Relation.INSIDE)

    def step(self, action_id: int) -> State:
        """Carry out one action of the task, or change nothing where the simulator or the view refuses it."""
        action = self._actions[action_id]
        state = self.state()
        names = [action.holder] * bool(action.holder)
        names += [action.thing] * (action.verb not in ("go", "stand"))
        if all(is_visible(self._scene, state, self._scene.index[name]) for name in names):
            script = self._scripts[action_id]
            _, self._graph_state = self._executor.execute_one_step(script, self._graph_state)
        return self.state()

    def state(self) -> State:
        """What the graph says, in our words."""
        relation = self._package.environment.Relation
        things = self._scene.things
        edges = {r: self._graph_state.get_node_ids_from(CHARACTER, relation[r]) for r in relation.__members__}
        near, sat, facing = (self._bits(edges[r]) for r in ("CLOSE", "ON", "FACING"))
        places = tuple(self._place(thing, edges["HOLDS_RH"] | edges["HOLDS_LH"]) for thing in things)
        seated = near & sat if "SITTING" in self._conditions(CHARACTER) else 0
        return State(
            room=self._room(CHARACTER),
            near=near,
            places=places,
            lag_rooms=tuple(
                self._room(self._ids[thing.name]) if place == IN_HAND else NOWHERE
                for thing, place in zip(things, places, strict=True)
            ),
            open=self._bits({self._ids[t.name] for t in things if "OPEN" in self._conditions(self._ids[t.name])}),
            on=self._bits({self._ids[t.name] for t in things if "ON" in self._conditions(self._ids[t.name])}),
            sitting=seated.bit_length() - 1,
            sat=sat,
            facing=facing,
        )

    def _script(self, action: Action) -> Any:
        scripts = self._package.scripts
        things = self._scene.index
        word = SCRIPT_WORDS.get(action.verb, "")
        if action.verb == "put":
            is_container = "container" in self._scene.things[things[action.holder]].affords
            word = "PUTIN" if is_container else "PUTBACK"
        names = [name for name in (action.thing, action.holder) if name]
        objects = [scripts.ScriptObject(name, self._ids[name]) for name in names]
        return scripts.Script([scripts.ScriptLine(scripts.Action[word], objects, 0)])

    def _bits(self, ids: set[int]) -> int:
        return sum(1 << i for i, thing in enumerate(self._scene.things) if self._ids[thing.name] in ids)

    def _conditions(self, node_id: int) -> set[str]:
        return {state.name for state in self._graph_state.get_node(node_id).states}

    def _room(self, node_id: int) -> int:
        inside = self._graph_state.get_node_ids_from(node_id, self._package.environment.Relation.INSIDE)
        return next(i for i, room in enumerate(ROOMS) if ROOM_IDS[room] in inside)

    def _place(self, thing: Thing, held: set[int]) -> int:
        node_id = self._ids[thing.name]
        if node_id in held:
            return IN_HAND
        relation = self._package.environment.Relation
        around = {
            target for r in (relation.ON, relation.INSIDE) for target in self._graph_state.get_node_ids_from(node_id, r)
        }
        holders = [i for i, other in enumerate(self._scene.things) if self._ids[other.name] in around]
        return holders[0] if holders else AT_HOME


def thing_ids(things: tuple[Thing, ...]) -> dict[str, int]:
    """The id of each thing in the graph: the published one where there is one."""
    return {thing.name: KNOWN_IDS.get(thing.name, FIRST_FREE_ID + i) for i, thing in enumerate(things)}


def graph_of(things: tuple[Thing, ...], ids: dict[str, int], state: State) -> dict[str, list[dict[str, Any]]]:
    """The home as VirtualHome reads it: nodes with properties and states, and the relations between them."""
    nodes = [_node(CHARACTER, "character", "Characters", states=("SITTING",) * (state.sitting >= 0))]
    nodes += [_node(node_id, room.replace(" ", ""), "Rooms") for room, node_id in ROOM_IDS.items()]
    edges = [_edge(CHARACTER, "INSIDE", ROOM_IDS[ROOMS[state.room]])]
    hands = iter(("HOLDS_RH", "HOLDS_LH"))
    for i, thing in enumerate(things):
        node_id = ids[thing.name]
        nodes.append(_thing_node(thing, node_id, bool(state.open >> i & 1), bool(state.on >> i & 1)))
        for relation, targets in (("CLOSE", state.near), ("ON", state.sat), ("FACING", state.facing)):
            if targets >> i & 1:
                edges.append(_edge(CHARACTER, relation, node_id))
        if state.near >> i & 1:
            edges.append(_edge(node_id, "CLOSE", CHARACTER))
        if thing.faces:
            edges.append(_edge(node_id, "FACING", ids[thing.faces]))
        place = state.places[i]
        if place == IN_HAND:
            edges.append(_edge(CHARACTER, next(hands), node_id))
            edges.append(_edge(node_id, "INSIDE", ROOM_IDS[ROOMS[state.lag_rooms[i]]]))
            continue
        holder = things[place] if place >= 0 else None
        edges.append(_edge(node_id, "INSIDE", ROOM_IDS[holder.room if holder else thing.room]))
        if holder:
            relation = "INSIDE" if "container" in holder.affords else "ON"
            edges += [_edge(node_id, r, ids[holder.name]) for r in (relation, "CLOSE")]
            edges.append(_edge(ids[holder.name], "CLOSE", node_id))
    _furnish(things, ids, state, nodes, edges)
    return {"nodes": nodes, "edges": edges}


def _furnish(
    things: tuple[Thing, ...],
    ids: dict[str, int],
    state: State,
    nodes: list[dict[str, Any]],
    edges: list[dict[str, Any]],
) -> None:
    for thing, place in zip(things, state.places, strict=True):
        if thing.name in FURNITURE and thing.room == "kitchen":
            class_name, node_id = FURNITURE[thing.name]
            nodes.append(_node(node_id, class_name, "Furniture", properties=("SURFACES",)))
            edges.append(_edge(node_id, "INSIDE", ROOM_IDS["kitchen"]))
            if place == AT_HOME:
                edges.append(_edge(ids[thing.name], "ON", node_id))
        if thing.name == "sofa":
            for class_name, node_id in ON_THE_SOFA:
                nodes.append(_node(node_id, class_name, "Decor"))
                edges.append(_edge(node_id, "ON", ids["sofa"]))
                edges.append(_edge(node_id, "INSIDE", ROOM_IDS[thing.room]))


def _thing_node(thing: Thing, node_id: int, is_open: bool, is_on: bool) -> dict[str, Any]:
    states = []
    if "container" in thing.affords:
        states.append("OPEN" if is_open else "CLOSED")
    if "switch" in thing.affords:
        states.append("ON" if is_on else "OFF")
    properties = tuple(p for affordance in sorted(thing.affords) for p in PROPERTIES[affordance])
    return _node(node_id, thing.name.lower().replace(" ", ""), "Things", properties, tuple(states))


def _node(
    node_id: int, class_name: str, category: str, properties: tuple[str, ...] = (), states: tuple[str, ...] = ()
) -> dict[str, Any]:
    return {
        "id": node_id,
        "class_name": class_name,
        "category": category,
        "properties": list(properties),
        "states": list(states),
    }


def _edge(from_id: int, relation: str, to_id: int) -> dict[str, Any]:
    return {"from_id": from_id, "relation_type": relation, "to_id": to_id}


class RoomForAll(dict[str, int]):
    """Lets any number of things lie on any seat."""

    def get(self, key: str, default: Any = None) -> int:
        """So many that no seat is ever full."""
        return 1000


@lru_cache(maxsize=1)
def _patched_executor() -> Any:
    """The package's executor with the three `DIFFERENCES` taken out, each in the class it is about."""
    package = load_package()
    execution, action = package.execution, package.scripts.Action
    is_sitting = package.environment.State.SITTING

    class Sit(execution.SitExecutor):  # type: ignore[misc, name-defined]
        _MAX_OCCUPANCIES = RoomForAll()

        def execute(self, script: Any, state: Any, info: Any, char_index: int, *args: Any, **kwargs: Any) -> Any:
            for after in super().execute(script, state, info, char_index, *args, **kwargs):
                next(state.get_char_node(char_index)).states.add(is_sitting)
                yield after

    class StandUp(execution.StandUpExecutor):  # type: ignore[misc, name-defined]
        def execute(self, script: Any, state: Any, info: Any, char_index: int, *args: Any, **kwargs: Any) -> Any:
            for after in super().execute(script, state, info, char_index, *args, **kwargs):
                next(state.get_char_node(char_index)).states.discard(is_sitting)
                yield after

    class Switch(execution.SwitchExecutor):  # type: ignore[misc, name-defined]
        def check_switchable(self, state: Any, node: Any, info: Any, char_index: int) -> bool:
            has_free_hand = execution._find_free_hand(state, char_index) is not None
            return has_free_hand and bool(super().check_switchable(state, node, info, char_index))

    class PatchedExecutor(execution.ScriptExecutor):  # type: ignore[misc, name-defined]
        _action_executors = {  # noqa: RUF012 - the package's own class attribute
            **execution.ScriptExecutor._action_executors,
            action.SIT: Sit(),
            action.STANDUP: StandUp(),
            action.SWITCHON: Switch(True),
            action.SWITCHOFF: Switch(False),
        }

    return PatchedExecutor
