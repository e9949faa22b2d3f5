"""The rules, and what is offered, over every reachable state."""

from functools import lru_cache

import gymnasium
import pytest

import twosome.envs  # noqa: F401 - registers the environments
from twosome.envs.household.dynamics import carry_out
from twosome.envs.household.env import HouseholdEnv, rules_of
from twosome.envs.household.graph import AT_HOME, IN_HAND, State
from twosome.envs.household.oracle import Plan, shortest
from twosome.envs.household.panel import panel_task
from twosome.envs.household.tasks import TASKS, Task
from twosome.envs.household.view import perceive, possible, sensible

GENERATED = {
    f"{panel} {i}": panel_task(panel, i)
    for panel, step in (("heldout", 9), ("train", 131))
    for i in range(0, step * 4, step)
}
EVERY = {**TASKS, **GENERATED}
plan_of = lru_cache(maxsize=None)(Plan)
every_task = pytest.mark.parametrize("task", EVERY.values(), ids=EVERY.keys())


@every_task
def test_success_can_be_reached_from_every_state_that_offered_actions_lead_to(task: Task) -> None:
    plan = plan_of(task, valid_only=True)
    assert set(plan.states) <= set(plan.distances)


@every_task
def test_every_offered_action_changes_the_state(task: Task) -> None:
    for state in plan_of(task).states:
        view = perceive(task.scene, state)
        for action in task.actions:
            if sensible(task.scene, view, action):
                assert carry_out(task.scene, state, action) != state


@every_task
def test_something_is_offered_in_every_state(task: Task) -> None:
    rules = rules_of(task)
    assert all(rules.observe(state).mask.any() for state in plan_of(task).states)


@every_task
def test_what_is_possible_but_not_offered_is_only_walking_to_what_is_here_already(task: Task) -> None:
    for state in plan_of(task).states:
        view = perceive(task.scene, state)
        for action in task.actions:
            if possible(task.scene, view, action) and not sensible(task.scene, view, action):
                assert action.verb in ("go", "walk")
                if action.verb == "walk":
                    assert view.close >> task.scene.index[action.thing] & 1
                else:
                    assert carry_out(task.scene, state, action).room == state.room


@every_task
def test_what_is_not_possible_changes_nothing(task: Task) -> None:
    for state in plan_of(task).states:
        view = perceive(task.scene, state)
        for action in task.actions:
            if not possible(task.scene, view, action):
                assert carry_out(task.scene, state, action) is state


@every_task
def test_nothing_appears_or_vanishes_and_two_hands_hold_at_most_two_things(task: Task) -> None:
    holders = {i for i, t in enumerate(task.scene.things) if t.affords & {"container", "surface"}}
    for state in plan_of(task).states:
        assert sum(place == IN_HAND for place in state.places) <= 2
        for thing, place in zip(task.scene.things, state.places, strict=True):
            assert place in {AT_HOME, IN_HAND, *holders}
            assert place == AT_HOME or "grabbable" in thing.affords


@every_task
def test_offering_less_than_all_actions_makes_no_way_longer(task: Task) -> None:
    everything, offered = plan_of(task), plan_of(task, valid_only=True)
    assert everything.distance(everything.start) == offered.distance(offered.start) == len(shortest(task))
    assert sorted(everything.optimal_sequences()) == sorted(offered.optimal_sequences())


def best_actions_by_view(task: Task) -> dict[tuple[object, ...], tuple[set[int], set[str]]]:
    """For each view: the actions that are optimal in all reachable states with that view, and its prompts."""
    plan, rules = plan_of(task), rules_of(task)
    table: dict[tuple[object, ...], tuple[set[int], set[str]]] = {}
    for state in plan.states:
        observation, best = rules.observe(state), set(plan.optimal_actions(state))
        view = (observation.vector.tobytes(), state.sitting)
        known, prompts = table.setdefault(view, (set(best), set()))
        known &= best
        prompts.add(observation.prompt)
    return table


@every_task
def test_one_view_has_one_prompt(task: Task) -> None:
    assert all(len(prompts) == 1 for _, prompts in best_actions_by_view(task).values())


@every_task
def test_views_that_call_for_different_actions_have_different_prompts(task: Task) -> None:
    by_prompt: dict[str, list[set[int]]] = {}
    for best, prompts in best_actions_by_view(task).values():
        if best:
            by_prompt.setdefault(next(iter(prompts)), []).append(best)
    for prompt, bests in by_prompt.items():
        assert all(one & other for one in bests for other in bests), prompt


@every_task
def test_some_optimal_way_follows_a_rule_that_sees_the_prompt_alone(task: Task) -> None:
    plan, rules = plan_of(task), rules_of(task)

    def consistent(sequence: tuple[int, ...]) -> bool:
        chosen: dict[str, int] = {}
        state = plan.start
        for action in sequence:
            if chosen.setdefault(rules.observe(state).prompt, action) != action:
                return False
            state = plan.transitions[state][action]
        return True

    assert any(consistent(sequence) for sequence in plan.optimal_sequences())


OPTIMAL = {
    "FoodPreparation": {(4, 6, 5, 8, 7, 9)},
    "Entertainment": {
        (4, 9, 5, 10, 0, 6, 11, 7, 13, 8, 15),
        (4, 9, 5, 10, 0, 6, 12, 7, 13, 8, 15),
        (5, 10, 4, 9, 0, 6, 11, 7, 13, 8, 15),
        (5, 10, 4, 9, 0, 6, 12, 7, 13, 8, 15),
        (0, 7, 13, 1, 4, 9, 5, 10, 0, 8, 15),
        (0, 7, 13, 1, 5, 10, 4, 9, 0, 8, 15),
        (4, 9, 0, 7, 13, 1, 5, 10, 0, 8, 15),
        (5, 10, 0, 7, 13, 1, 4, 9, 0, 8, 15),
    },
}


@pytest.mark.parametrize("name", OPTIMAL)
def test_the_planner_finds_all_known_optimal_sequences(name: str) -> None:
    assert set(plan_of(TASKS[name]).optimal_sequences()) == OPTIMAL[name]


@pytest.mark.parametrize(("name", "reachable"), [("FoodPreparation", 51), ("Entertainment", 572)])
def test_as_many_states_are_reachable_as_in_the_reference(name: str, reachable: int) -> None:
    assert len(plan_of(TASKS[name]).states) == reachable


@pytest.mark.parametrize(
    ("name", "expected"), [("FoodPreparation", 0.7737809374999999), ("Entertainment", 0.5987369392383786)]
)
def test_the_planner_gets_the_best_return(name: str, expected: float) -> None:
    env = gymnasium.make(f"twosome/{name}-v0")
    env.reset(seed=0)
    planner, gamma = env.unwrapped.planner(), env.unwrapped.gamma
    logged, weight, is_over = 0.0, 1.0, False
    while not is_over:
        _, reward, terminated, truncated, _ = env.step(planner.act())
        logged += weight * float(reward)
        weight *= gamma
        is_over = terminated or truncated
    assert logged == expected


def after(env: HouseholdEnv, *names: str) -> set[str]:
    """The names of what is offered after these actions."""
    env.reset()
    for name in names:
        assert env.action_masks()[env.action_names.index(name)], f"{name} is not offered"
        env.step(env.action_names.index(name))
    return {name for name, offer in zip(env.action_names, env.action_masks(), strict=True) if offer}


ROOMS_BUT_KITCHEN = {"walk living room", "walk bathroom", "walk bedroom"}
ROOMS_BUT_LIVING = {"walk kitchen", "walk bathroom", "walk bedroom"}
FETCH = ("walk chips", "grab chips", "walk milk", "grab milk", "walk living room", "walk coffee table")


def test_the_pancake_can_be_taken_out_of_the_open_microwave_again() -> None:
    way = ("walk pancake", "grab pancake", "walk microwave", "open microwave", "put pancake in microwave")
    offered = after(HouseholdEnv("FoodPreparation"), *way)
    assert offered == ROOMS_BUT_KITCHEN | {"grab pancake", "close microwave"}


def test_doors_are_opened_only_when_closed_and_closed_only_when_open() -> None:
    env = HouseholdEnv("FoodPreparation")
    assert after(env, "walk microwave") & {"open microwave", "close microwave"} == {"open microwave"}
    way = ("walk microwave", "open microwave")
    assert after(env, *way) & {"open microwave", "close microwave"} == {"close microwave"}


def test_the_item_in_sight_is_offered_and_the_one_left_in_the_living_room_is_not() -> None:
    env = HouseholdEnv("Entertainment")
    way = ("walk chips", "grab chips", "walk living room", "walk coffee table", "put chips on coffee table")
    assert after(env, *way, "walk kitchen") == ROOMS_BUT_KITCHEN | {"walk milk"}


def test_the_second_thing_can_be_put_beside_the_first_and_both_taken_again() -> None:
    env = HouseholdEnv("Entertainment")
    assert "put milk on coffee table" in after(env, *FETCH, "put chips on coffee table")
    both = (*FETCH, "put chips on coffee table", "put milk on coffee table")
    assert after(env, *both) == ROOMS_BUT_LIVING | {"grab chips", "grab milk", "walk TV", "walk sofa"}


def test_the_tv_is_switched_only_with_a_free_hand_and_only_to_what_it_is_not() -> None:
    env = HouseholdEnv("Entertainment")
    switches = {"switch on TV", "switch off TV"}
    assert after(env, "walk living room", "walk TV") & switches == {"switch on TV"}
    assert after(env, "walk living room", "walk TV", "switch on TV") & switches == {"switch off TV"}
    assert not after(env, *FETCH, "walk TV") & switches


def test_sitting_down_is_offered_before_a_dark_tv_and_standing_up_whenever_one_sits() -> None:
    env = HouseholdEnv("Entertainment")
    assert "sit on sofa" in after(env, "walk living room", "walk sofa")
    assert after(env, "walk living room", "walk sofa", "sit on sofa") == {"stand up"}
    standing = after(env, "walk living room", "walk sofa", "sit on sofa", "stand up")
    assert standing == ROOMS_BUT_LIVING | {"sit on sofa", "walk TV", "walk coffee table"}


def test_an_item_in_hand_is_one_walk_behind() -> None:
    task = TASKS["FoodPreparation"]
    rules = rules_of(task)

    def play(*actions: int) -> State:
        state = rules.start
        for action in actions:
            state, _ = rules.next(state, action)
        return state

    assert play(4, 6, 2, 3, 4).room == 1  # to the bathroom, the bedroom, then "to the pancake"
    assert play(4, 6, 2, 3, 4).near == 1
