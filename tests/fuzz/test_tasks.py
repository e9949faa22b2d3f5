"""Arguments of the environments, household tasks as data among them, and saved states."""

import json
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.checking import attempt
from tests.fuzz.inputs import inputs, json_values, mutated, texts
from twosome.envs import text
from twosome.envs.household.schema import task_from_data
from twosome.envs.household.tasks import CONDITIONS
from twosome.errors import TwosomeError

BOOKS: dict[str, Any] = {
    "name": "Books",
    "wish": "put the books away and rest",
    "start": "bedroom",
    "things": [
        {"name": "book", "room": "living room", "affords": ["grabbable"], "inside": "table"},
        {"name": "socks", "room": "bedroom", "affords": ["grabbable"], "plural": True},
        {"name": "table", "room": "living room", "affords": ["surface"]},
        {"name": "drawer", "room": "bedroom", "affords": ["container"], "is_open": False},
        {"name": "lamp", "room": "bedroom", "affords": ["switch"], "is_on": True},
        {"name": "chair", "room": "bedroom", "affords": ["seat"], "faces": "lamp"},
    ],
    "goal": [
        {"kind": "is in", "thing": "book", "holder": "drawer"},
        {"kind": "is closed", "thing": "drawer"},
        {"kind": "is off", "thing": "lamp"},
        {"kind": "is sat on", "thing": "chair"},
    ],
    "phrases": {"go to bedroom": "return to the bedroom"},
}
WORDS = (
    "book",
    "table",
    "drawer",
    "lamp",
    "chair",
    "kitchen",
    "bedroom",
    "container",
    "grabbable",
    "seat",
    "a",
    *CONDITIONS,
)
ARGUMENTS: dict[str, dict[str, Any]] = {
    "TomatoSalad": {
        "task": "tomato salad",
        "layout": "C",
        "obs_radius": 3,
        "rewards": {"subtask": 0.1, "wrong": -1.0},
        "actions": "primitive",
        "render_mode": "ansi",
    },
    "TomatoLettuceSalad": {"task": "onion salad", "layout": "B", "obs_radius": 1, "foods": ["tomato", "onion"]},
    "FoodPreparation": {"max_steps": 30, "backend": "own"},
    "Cheese": {"task": BOOKS},
    "HouseholdTask": {"panel": "heldout", "index": 3, "max_steps": 20},
}


def values() -> st.SearchStrategy[Any]:
    return json_values() | st.sampled_from(WORDS) | st.integers(0, 60)


def play(env: Any, num_steps: int) -> None:
    """What is accepted keeps the environments' contract, to the letter of its spaces."""
    text.check_contract(env, num_steps=num_steps)
    observation, _ = env.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(5):
        assert env.observation_space.contains(observation)
        available = [i for i, phrase in enumerate(observation["actions"]) if phrase]
        observation, reward, terminated, truncated, _ = env.step(int(rng.choice(available)))
        assert type(float(reward)) is float
        if terminated or truncated:
            break


@given(data=mutated(BOOKS, values()) | json_values())
@inputs(60, 1500)
def test_a_household_task_that_is_accepted_can_be_done(data: Any) -> None:
    task = attempt(lambda: task_from_data(data))
    if isinstance(task, TwosomeError):
        return
    env: Any = text.make("FoodPreparation", task=data, max_steps=200)
    env.reset(seed=0)
    planner, done = env.unwrapped.planner(), False
    for _ in range(100):
        observation, _, done, _, _ = env.step(planner.act())
        assert env.observation_space.contains(observation)
        offered = [phrase for phrase in observation["actions"] if phrase]
        assert len(set(offered)) == len(offered)
        if done:
            break
    assert done


@given(name=st.sampled_from(sorted(ARGUMENTS)), data=st.data())
@inputs(30, 1000)
def test_an_environment_that_is_made_of_any_arguments_keeps_its_contract(name: str, data: st.DataObject) -> None:
    given_arguments = data.draw(
        mutated(ARGUMENTS[name], values()) | st.dictionaries(st.sampled_from(sorted(ARGUMENTS[name])), values())
    )
    env = attempt(lambda: text.make(name, **given_arguments))
    if not isinstance(env, TwosomeError):
        assert not isinstance(attempt(lambda: play(env, 20)), TwosomeError)
        env.close()


@given(name=texts() | st.sampled_from(sorted(ARGUMENTS)).flatmap(lambda name: texts(4).map(lambda t: name + t)))
@inputs(60, 700)
def test_an_environment_of_any_name_is_made_or_refused(name: str) -> None:
    env = attempt(lambda: text.make(name))
    if not isinstance(env, TwosomeError):
        env.close()


@given(name=st.sampled_from(["TomatoSalad", "TomatoLettuceSalad", "FoodPreparation", "HouseholdTask"]), data=st.data())
@inputs(80, 1000)
def test_a_saved_state_is_taken_up_as_it_is_or_refused(name: str, data: st.DataObject) -> None:
    env: Any = text.make(name).unwrapped
    env.reset(seed=1)
    before = json.loads(json.dumps(env.get_state()))
    state = data.draw(mutated(before, values()))
    restored = attempt(lambda: env.set_state(state))
    if isinstance(restored, TwosomeError):
        return
    assert json.loads(json.dumps(env.get_state())) == state
    attempt(lambda: env.observation())
    assert not isinstance(attempt(lambda: play(env, 10)), TwosomeError)
