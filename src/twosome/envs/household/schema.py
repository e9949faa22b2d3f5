"""Tasks of one's own as plain data, as a JSON or TOML file would hold them.

::

    {"name": "Books", "wish": "put the book on the desk", "start": "bedroom",
     "things": [{"name": "book", "room": "living room", "affords": ["grabbable"]},
                {"name": "desk", "room": "bedroom", "affords": ["surface"]}],
     "goal": [{"kind": "is in", "thing": "book", "holder": "desk"}],
     "phrases": {"put book on desk": "lay the book on the desk"}}

`task_from_data` checks all of it at the door and says which field is wrong and what is allowed. It derives the
actions: rooms, then walking to each thing, grabbing, putting, opening and closing, switching, sitting, standing up.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from twosome.envs.arguments import suggestion
from twosome.envs.base import LETTERS
from twosome.envs.household import text
from twosome.envs.household.graph import AFFORDANCES, ROOMS, Action, Scene, Thing, start_state
from twosome.envs.household.oracle import Plan
from twosome.envs.household.tasks import (
    CONDITIONS,
    ROOM_ACTIONS,
    WITH_HOLDER,
    Condition,
    Feature,
    Task,
    is_success,
    room_features,
)
from twosome.errors import ConfigError, quote

CHARSET = LETTERS + "0123456789 .,;:!?'-()\""
MAX_NAME, MAX_PHRASE, MAX_WISH = 40, 100, 200
HOLDERS = frozenset({"container", "surface"})
OPPOSITES = (("is open", "is closed"), ("is on", "is off"))
NEEDED = {
    "is in": "grabbable",
    "is with": "grabbable",
    "is open": "container",
    "is closed": "container",
    "is on": "switch",
    "is off": "switch",
    "is sat on": "seat",
    "was sat on": "seat",
}
"""What a thing must afford for a condition to speak of it."""


def task_from_data(data: object) -> Task:
    """The task that `data` describes, checked: its goal can be reached and does not hold at the start.

    Args:
        data: a mapping; "wish", "things" and "goal" are needed; "name", "start" and "phrases" may be left out. See the
            module's example.

    Raises:
        ConfigError: a field is missing, unknown or malformed, or the goal contradicts itself, holds already
            or cannot be reached. The message names the field and what is allowed.
    """
    fields = _record("task", data, needed=("wish", "things", "goal"), optional=("name", "start", "phrases"))
    name = _words("name", fields.get("name", "household task"), MAX_NAME)
    start = _choice("start", fields.get("start", "kitchen"), ROOMS)
    things = tuple(_thing(f"things[{i}]", entry) for i, entry in enumerate(_list("things", fields["things"])))
    _check_things(things)
    scene = Scene(things, start)
    goal = tuple(_condition(f"goal[{i}]", g, scene) for i, g in enumerate(_list("goal", fields["goal"])))
    _check_goal(goal)
    task = Task(
        name=name,
        wish=_words("wish", fields["wish"], MAX_WISH),
        scene=scene,
        actions=derived_actions(things),
        features=derived_features(things),
        goal=goal,
    )
    task = dataclasses.replace(task, phrases=_phrases(task, fields.get("phrases", {})))
    _check_reachable(task)
    return task


def derived_actions(things: tuple[Thing, ...]) -> tuple[Action, ...]:
    """Every action that these things allow, in the fixed order of the module's docstring."""
    holders = [t.name for t in things if t.affords & HOLDERS]
    actions = [*ROOM_ACTIONS, *(Action("walk", t.name) for t in things)]
    actions += [Action("grab", t.name) for t in things if "grabbable" in t.affords]
    actions += [Action("put", t.name, h) for t in things if "grabbable" in t.affords for h in holders]
    actions += [Action(v, t.name) for t in things if "container" in t.affords for v in ("open", "close")]
    actions += [Action(v, t.name) for t in things if "switch" in t.affords for v in ("switch on", "switch off")]
    seats = [Action("sit", t.name) for t in things if "seat" in t.affords]
    return (*actions, *seats, *([Action("stand")] if seats else []))


def derived_features(things: tuple[Thing, ...]) -> tuple[Feature, ...]:
    """Every fact about these things that can be perceived, one entry each."""
    kinds = {"grabbable": ("hold",), "container": ("open",), "switch": ("on",), "seat": ("sitting",)}
    features = list(room_features())
    holders = [t.name for t in things if t.affords & HOLDERS]
    for thing in things:
        features += [Feature("see", thing.name), Feature("close", thing.name)]
        for affordance in AFFORDANCES:
            if affordance in thing.affords:
                features += [Feature(kind, thing.name) for kind in kinds.get(affordance, ())]
        if "grabbable" in thing.affords:
            features += [Feature("in", thing.name, holder) for holder in holders]
    return tuple(features)


def _fail(where: str, expected: str, actual: object) -> NoReturn:
    raise ConfigError(f"{where}: expected {expected}, found {quote(actual)}.")


def _record(where: str, data: object, needed: Sequence[str], optional: Sequence[str]) -> dict[str, Any]:
    allowed = (*needed, *optional)
    if not isinstance(data, Mapping):
        _fail(where, f"a mapping with the fields {', '.join(allowed)}", data)
    for key in data:
        if key not in allowed:
            hint = suggestion(key, allowed)
            raise ConfigError(f"{where}: unknown field {quote(key)}; allowed are {', '.join(allowed)}.{hint}")
    for key in needed:
        if key not in data:
            raise ConfigError(f"{where}: the field {key!r} is missing; needed are {', '.join(needed)}.")
    return dict(data)


def _list(where: str, data: object) -> Sequence[Any]:
    if isinstance(data, str) or not isinstance(data, Sequence) or not data:
        _fail(where, "a list with at least one entry", data)
    return data


def _choice(where: str, data: object, allowed: Sequence[str]) -> str:
    if not isinstance(data, str) or data not in allowed:
        _fail(where, f"one of {', '.join(map(repr, allowed))}", data)
    return data


def _flag(where: str, data: object) -> bool:
    if not isinstance(data, bool):
        _fail(where, "true or false", data)
    return data


def _words(where: str, data: object, max_length: int) -> str:
    if not isinstance(data, str) or not data or data != " ".join(data.split()) or len(data) > max_length:
        _fail(where, f"1 to {max_length} characters of words with single blanks between them", data)
    if not set(data) <= set(CHARSET):
        _fail(where, "letters, digits and common punctuation only", data)
    if data.endswith((".", "!", "?")):
        _fail(where, "words without a mark at the end, since the sentence goes on", data)
    return data


def _reference(where: str, data: object) -> str:
    if not isinstance(data, str):
        _fail(where, "the name of another thing", data)
    return data


def _thing(where: str, data: object) -> Thing:
    optional = ("plural", "faces", "inside", "is_open", "is_on")
    fields = _record(where, data, needed=("name", "room", "affords"), optional=optional)
    affords = frozenset(
        _choice(f"{where}.affords", a, AFFORDANCES) for a in _list(f"{where}.affords", fields["affords"])
    )
    thing = Thing(
        name=_words(f"{where}.name", fields["name"], MAX_NAME),
        room=_choice(f"{where}.room", fields["room"], ROOMS),
        affords=affords,
        plural=_flag(f"{where}.plural", fields.get("plural", False)),
        faces=_reference(f"{where}.faces", fields.get("faces", "")),
        inside=_reference(f"{where}.inside", fields.get("inside", "")),
        is_open=_flag(f"{where}.is_open", fields.get("is_open", False)),
        is_on=_flag(f"{where}.is_on", fields.get("is_on", False)),
    )
    if {"container", "surface"} <= affords or ("grabbable" in affords and len(affords) > 1):
        _fail(f"{where}.affords", "'grabbable' alone, and not both 'container' and 'surface'", sorted(affords))
    for flag, affordance in (("is_open", "container"), ("is_on", "switch"), ("faces", "seat"), ("inside", "grabbable")):
        if getattr(thing, flag) and affordance not in affords:
            _fail(f"{where}.{flag}", f"it only on a thing that affords {affordance!r}", getattr(thing, flag))
    return thing


def _check_things(things: tuple[Thing, ...]) -> None:
    names = [thing.name for thing in things]
    for i, thing in enumerate(things):
        if thing.name in names[:i] or thing.name in ROOMS:
            _fail(f"things[{i}].name", "a name that no other thing and no room has", thing.name)
        if thing.faces:
            _choice(f"things[{i}].faces", thing.faces, names)
        if thing.inside:
            holders = [t.name for t in things if t.affords & HOLDERS and t.room == thing.room]
            _choice(f"things[{i}].inside", thing.inside, holders)


def _condition(where: str, data: object, scene: Scene) -> Condition:
    fields = _record(where, data, needed=("kind", "thing"), optional=("holder",))
    kind = _choice(f"{where}.kind", fields["kind"], CONDITIONS)
    wanted = NEEDED.get(kind)
    names = [t.name for t in scene.things if wanted is None or wanted in t.affords]
    thing = _choice(f"{where}.thing", fields["thing"], names)
    if kind not in WITH_HOLDER:
        if "holder" in fields:
            _fail(f"{where}.holder", f"no holder for {kind!r}", fields["holder"])
        return Condition(kind, thing)
    holders = [t.name for t in scene.things if t.affords & HOLDERS]
    return Condition(kind, thing, _choice(f"{where}.holder", fields.get("holder"), holders))


def _check_goal(goal: tuple[Condition, ...]) -> None:
    for i, one in enumerate(goal):
        for j, other in enumerate(goal[:i]):
            same_thing = one.thing == other.thing
            opposed = any({one.kind, other.kind} == set(pair) for pair in OPPOSITES)
            two_places = one.kind == other.kind == "is in" and one.holder != other.holder
            two_seats = one.kind == other.kind == "is sat on" and not same_thing
            if one == other or (same_thing and (opposed or two_places)) or two_seats:
                told = "repeats" if one == other else "contradicts"
                raise ConfigError(
                    f"goal[{i}] {told} goal[{j}]: {tuple(filter(None, one))} against "
                    f"{tuple(filter(None, other))}; expected conditions that can hold together. Remove one."
                )


def _phrases(task: Task, data: object) -> tuple[tuple[int, str], ...]:
    names = [text.action_name(task.scene, action) for action in task.actions]
    if not isinstance(data, Mapping):
        _fail("phrases", "a mapping from names of actions to their wording", data)
    for name in data:
        _choice("phrases", name, names)
    given = {names.index(n): _words(f"phrases[{quote(n)}]", wording, MAX_PHRASE) for n, wording in data.items()}
    seen: dict[str, str] = {}
    for action_id, (name, action) in enumerate(zip(names, task.actions, strict=True)):
        wording = given.get(action_id, text.phrase(task.scene, action))
        if wording in seen:
            _fail(f"phrases[{name!r}]", f"a wording of its own, other than that of {seen[wording]!r}", wording)
        seen[wording] = name
    return tuple(sorted(given.items()))


def _check_reachable(task: Task) -> None:
    goal = [" ".join(filter(None, (c.thing, c.kind, c.holder))) for c in task.goal]
    if is_success(task, start_state(task.scene)):
        _fail("goal", "something that does not hold at the start already", goal)
    plan = Plan(task, valid_only=True)
    if plan.distance(plan.start) is None:
        raise ConfigError(
            f"goal: expected conditions that some sequence of actions reaches, found that none of the "
            f"{len(plan.states)} reachable states meets {goal} together."
        )
    dead_ends = sum(plan.distance(state) is None for state in plan.states)
    if dead_ends:
        raise ConfigError(
            f"things: expected that the goal can be reached from every state, found that it cannot from {dead_ends} of "
            f"{len(plan.states)}, such as with both hands full and no place to put anything down. Add a surface or an "
            "open container, or let fewer things be grabbed."
        )
