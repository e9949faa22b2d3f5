"""Ours against VirtualHome's own simulator."""

import importlib.util
import random
from typing import Any

import pytest

from twosome.envs.household import virtualhome
from twosome.envs.household.env import HouseholdEnv, rules_of
from twosome.envs.household.graph import IN_HAND, State
from twosome.envs.household.oracle import Plan
from twosome.envs.household.panel import panel_task
from twosome.envs.household.tasks import TASKS, Task
from twosome.envs.household.virtualhome import DIFFERENCES, GraphSimulator
from twosome.errors import MissingExtraError

needs_package = pytest.mark.skipif(
    importlib.util.find_spec("virtualhome") is None, reason="pip install --no-deps virtualhome==2.3.0"
)


def compare(task: Task, episodes: int, seed: int) -> list[tuple[str, State, State, State]]:
    """Play random actions, two thirds of them offered ones, on both; return (action, before, ours, theirs)."""
    rng, rules, simulator = random.Random(seed), rules_of(task), GraphSimulator(task)
    differing = []
    for _ in range(episodes):
        state = simulator.reset()
        assert state == rules.start
        for _ in range(50):
            offered = rules.observe(state).mask.nonzero()[0].tolist()
            action = rng.choice(offered) if rng.random() < 2 / 3 else rng.randrange(len(task.actions))
            ours, is_over = rules.next(state, action)
            theirs = simulator.step(action)
            if ours != theirs:
                differing.append((rules.action_names[action], state, ours, theirs))
                break
            state = ours
            if is_over:
                break
    return differing


@needs_package
@pytest.mark.parametrize("episodes", [40, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", TASKS)
def test_named_tasks_agree_with_virtualhome_over_random_episodes(name: str, episodes: int) -> None:
    assert compare(TASKS[name], episodes, seed=1) == []


@needs_package
@pytest.mark.parametrize("episodes", [20, pytest.param(100, marks=pytest.mark.slow)])
@pytest.mark.parametrize("index", range(0, 50, 5))
def test_generated_tasks_agree_with_virtualhome_over_random_episodes(index: int, episodes: int) -> None:
    assert compare(panel_task("heldout", index), episodes, seed=index) == []


@needs_package
def test_every_reachable_state_and_action_of_food_preparation_agrees_with_virtualhome() -> None:
    task = TASKS["FoodPreparation"]
    plan, simulator = Plan(task), GraphSimulator(task)
    for state in plan.states:
        for action in range(len(task.actions)):
            simulator.load(state)
            assert simulator.state() == state
            assert simulator.step(action) == plan.transitions[state][action]


def steps(simulator: GraphSimulator, task: Task, *names: str) -> State:
    rules = rules_of(task)
    state = simulator.reset()
    for name in names:
        state = simulator.step(rules.action_names.index(name))
    return state


@needs_package
@pytest.mark.parametrize("step", [11, pytest.param(1, marks=pytest.mark.slow)])
def test_the_package_differs_in_the_known_ways_alone(step: int) -> None:
    assert len(DIFFERENCES) == 3
    task = TASKS["Entertainment"]
    plan, simulator = Plan(task), GraphSimulator(task, mended=False)
    differing = set()
    standing = [state for state in plan.states if state.sitting < 0]
    busy_before_tv = [s for s in standing if s.places[:2] == (IN_HAND, IN_HAND) and s.near >> 2 & 1]
    for before in standing[::step] + busy_before_tv:
        for action, (name, ours) in enumerate(zip(rules_of(task).action_names, plan.transitions[before], strict=True)):
            simulator.load(before)
            theirs = simulator.step(action)
            if theirs != ours:
                differing.add(name)
                if name == "sit on sofa":
                    assert (theirs, ours.sitting) == (before, 3)
                else:
                    assert (ours, theirs) == (before, before._replace(on=before.on ^ 4))
                    assert before.places[:2] == (IN_HAND, IN_HAND)
    assert differing == {"sit on sofa", "switch on TV", "switch off TV"}


@needs_package
def test_the_package_refuses_a_full_sofa_and_we_do_not() -> None:
    task, way = TASKS["Entertainment"], ("walk living room", "walk sofa", "sit on sofa")
    assert steps(GraphSimulator(task, mended=False), task, *way).sat == 0
    assert steps(GraphSimulator(task), task, *way).sitting == 3


@needs_package
def test_the_package_forgets_that_one_sits_and_we_do_not() -> None:
    task = panel_task("heldout", 49)
    seat = task.scene.things[4].name
    room = task.scene.things[4].room
    way = (f"walk {room}", f"walk {seat}", f"sit on {seat}", "walk bathroom", "walk kitchen")
    left = steps(GraphSimulator(task, mended=False), task, *way)
    stayed = steps(GraphSimulator(task), task, *way)
    assert left.room == 0
    assert stayed.sitting == 4
    assert task.scene.rooms[4] == stayed.room


@needs_package
def test_the_package_switches_without_a_free_hand_and_we_do_not() -> None:
    task = TASKS["Entertainment"]
    way = ("walk chips", "grab chips", "walk milk", "grab milk", "walk living room", "walk TV", "switch on TV")
    assert steps(GraphSimulator(task, mended=False), task, *way).on == 4
    assert steps(GraphSimulator(task), task, *way).on == 0


@needs_package
def test_an_environment_on_virtualhome_plays_like_ours() -> None:
    ours, theirs = HouseholdEnv("Entertainment"), HouseholdEnv("Entertainment", backend="virtualhome")

    def same(left: dict[str, Any], right: dict[str, Any]) -> bool:
        return str(left) == str(right)

    assert same(ours.reset(seed=0)[0], theirs.reset(seed=0)[0])
    planner, terminated = theirs.planner(), False
    while not terminated:
        action = planner.act()
        observation, reward, terminated, _, info = ours.step(action)
        other, other_reward, other_terminated, _, other_info = theirs.step(action)
        assert same(observation, other)
        assert same(info, other_info)
        assert (reward, terminated) == (other_reward, other_terminated)
    assert info["success"]


@needs_package
def test_an_environment_on_virtualhome_goes_on_from_a_saved_state() -> None:
    env = HouseholdEnv("FoodPreparation", backend="virtualhome")
    env.reset(seed=0)
    for action in (4, 6, 5):
        env.step(action)
    saved = env.get_state()
    other = HouseholdEnv("FoodPreparation", backend="virtualhome")
    other.set_state(saved)
    for action in (8, 7, 9):
        *_, info = other.step(action)
    assert info["success"]


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtualhome.importlib.util, "find_spec", lambda name: None)
    virtualhome.load_package.cache_clear()
    with pytest.raises(MissingExtraError, match=r"pip install --no-deps virtualhome==2.3.0"):
        HouseholdEnv(backend="virtualhome")
