"""Tasks of one's own: what is accepted, and what every mistake is told."""

import contextlib
import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twosome.envs.household.env import HouseholdEnv
from twosome.envs.household.schema import task_from_data
from twosome.errors import ConfigError

BOOKS: dict[str, Any] = {
    "name": "Books",
    "wish": "put the book on the desk",
    "start": "bedroom",
    "things": [
        {"name": "book", "room": "living room", "affords": ["grabbable"]},
        {"name": "desk", "room": "bedroom", "affords": ["surface"]},
        {"name": "drawer", "room": "bedroom", "affords": ["container"], "is_open": True},
        {"name": "lamp", "room": "bedroom", "affords": ["switch"]},
        {"name": "chair", "room": "bedroom", "affords": ["seat"], "faces": "lamp"},
    ],
    "goal": [{"kind": "is in", "thing": "book", "holder": "desk"}],
    "phrases": {"put book on desk": "lay the book on the desk"},
}


def changed(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """`BOOKS` with one entry replaced."""
    data = copy.deepcopy(BOOKS)
    target: Any = data
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    return data


def test_a_task_from_data_is_played_with_its_own_words() -> None:
    env = HouseholdEnv(BOOKS)
    observation, _ = env.reset()
    assert observation["prompt"] == (
        "You want to put the book on the desk. You are in the bedroom and see the desk, the drawer, the lamp and "
        "the chair. The drawer is open. The lamp is off. Your hands are empty. Now you"
    )
    assert env.action_names.index("stand up") == len(env.action_names) - 1
    planner, terminated, phrases = env.planner(), False, []
    while not terminated:
        action = planner.act()
        phrases.append(observation["actions"][action])
        observation, _, terminated, _, _ = env.step(action)
    assert phrases == [
        "go to the living room",
        "walk to the book",
        "grab the book",
        "go to the bedroom",
        "walk to the desk",
        "lay the book on the desk",
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (changed(("thing",), []), r"task: unknown field 'thing'; allowed are wish, things.*Did you mean 'things'"),
        ({k: v for k, v in BOOKS.items() if k != "goal"}, r"the field 'goal' is missing"),
        ("books", r"task: expected a mapping"),
        (changed(("things",), []), r"things: expected a list with at least one entry"),
        (changed(("things",), "book"), r"things: expected a list"),
        (changed(("start",), "garage"), r"start: expected one of 'kitchen', .* found 'garage'"),
        (changed(("wish",), "Put  it."), r"wish: expected"),
        (changed(("wish",), "put it there."), r"wish: expected words without a mark at the end"),
        (changed(("wish",), ""), r"wish: expected 1 to 200 characters"),
        (changed(("wish",), "put the café"), r"wish: expected letters"),
        (changed(("name",), "x" * 41), r"name: expected 1 to 40 characters"),
        (changed(("things", 0, "room"), "hall"), r"things\[0\].room: expected one of"),
        (changed(("things", 0, "affords"), ["edible"]), r"things\[0\].affords: expected one of 'grabbable'"),
        (changed(("things", 0, "affords"), ["grabbable", "seat"]), r"things\[0\].affords: expected 'grabbable' alone"),
        (changed(("things", 0, "colour"), "red"), r"things\[0\]: unknown field 'colour'"),
        (changed(("things", 0, "is_open"), True), r"things\[0\].is_open: expected it only on .*'container'"),
        (changed(("things", 2, "is_open"), 1), r"things\[2\].is_open: expected true or false"),
        (changed(("things", 1, "name"), "book"), r"things\[1\].name: expected a name that no other"),
        (changed(("things", 1, "name"), "kitchen"), r"things\[1\].name: expected a name that no other"),
        (changed(("things", 4, "faces"), "window"), r"things\[4\].faces: expected one of 'book'"),
        (changed(("things", 0, "inside"), "desk"), r"things\[0\].inside: expected one of"),
        (changed(("goal", 0, "kind"), "is under"), r"goal\[0\].kind: expected one of 'is in'"),
        (changed(("goal", 0, "thing"), "lamp"), r"goal\[0\].thing: expected one of 'book'"),
        (changed(("goal", 0, "holder"), "chair"), r"goal\[0\].holder: expected one of 'desk', 'drawer'"),
        (changed(("goal", 0), {"kind": "is in", "thing": "book"}), r"goal\[0\].holder: expected one of"),
        (changed(("goal", 0), {"kind": "is on", "thing": "lamp", "holder": "desk"}), r"goal\[0\].holder: expected no"),
        (changed(("goal",), [{"kind": "is off", "thing": "lamp"}]), r"goal: expected something that does not hold"),
        (changed(("phrases",), {"read book": "read"}), r"phrases: expected one of .*'grab book'"),
        (changed(("phrases",), {"grab book": "open the drawer"}), r"phrases\['open drawer'\]: expected a wording of"),
        (changed(("phrases",), {"grab book": 3}), r"phrases\['grab book'\]: expected 1 to 100 characters"),
    ],
)
def test_a_mistake_is_named_with_its_field_and_what_is_allowed(data: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        task_from_data(data)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"kind": "is on", "thing": "lamp"}, {"kind": "is off", "thing": "lamp"}),
        ({"kind": "is open", "thing": "drawer"}, {"kind": "is closed", "thing": "drawer"}),
        (
            {"kind": "is in", "thing": "book", "holder": "desk"},
            {"kind": "is in", "thing": "book", "holder": "drawer"},
        ),
    ],
)
def test_a_goal_that_contradicts_itself_is_refused(one: dict[str, str], other: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"goal\[1\] contradicts goal\[0\]"):
        task_from_data(changed(("goal",), [one, other]))


def test_a_goal_that_no_actions_reach_is_refused() -> None:
    goal = [{"kind": "is watched", "thing": "drawer"}]
    with pytest.raises(ConfigError, match=r"goal: expected conditions .* reachable states meets"):
        task_from_data(changed(("goal",), goal))


def test_a_task_with_a_dead_end_is_refused() -> None:
    """With two of three things in hand and nowhere to put them, nothing else can be picked up or opened any more."""
    grabbable = [{"name": name, "room": "bedroom", "affords": ["grabbable"]} for name in ("book", "cup", "spoon")]
    data = {
        **{field: BOOKS[field] for field in ("name", "wish", "start")},
        "things": [*grabbable, {"name": "drawer", "room": "bedroom", "affords": ["container"]}],
        "goal": [{"kind": "is in", "thing": "book", "holder": "drawer"}],
    }
    with pytest.raises(ConfigError, match="things: expected that the goal can be reached from every state"):
        task_from_data(data)


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(field=st.sampled_from([*BOOKS, "things.0.name", "things.0.affords", "things.0", "goal.0"]), value=junk)
def test_whatever_stands_in_a_field_it_is_accepted_or_told(field: str, value: Any) -> None:
    path = tuple(int(key) if key.isdigit() else key for key in field.split("."))
    with contextlib.suppress(ConfigError):
        assert HouseholdEnv(task_from_data(changed(path, value))).reset()
