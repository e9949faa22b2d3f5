from typing import NamedTuple

import pytest

from twosome.envs import text
from twosome.envs.overcooked import dynamics


class Optimum(NamedTuple):
    """What is known of the best way; of several equally good ones, one is written down."""

    name: str
    arguments: dict[str, str]
    actions: str
    states: int
    steps: int
    undiscounted: float
    logged: float
    sum_of_rewards: float


TRIPLE = "lettuce-onion-tomato salad"
OPTIMA = [
    Optimum("TomatoSalad", {}, "024013", 24, 28, 1.172, 0.920518092564195, 1.1102837966825794),
    Optimum("TomatoLettuceSalad", {}, "0471573016", 1156, 45, 1.355, 0.9476564569165644, 1.338102019111256),
    Optimum(
        "TomatoLettuceSalad", {"task": "onion salad"}, "257236", 1156, 28, 1.172, 0.9186910580692278, 1.110217213930063
    ),
    Optimum(
        "TomatoLettuceSalad",
        {"task": TRIPLE},
        "0472573204157146",
        1156,
        63,
        1.537,
        0.9447053262235874,
        1.506451583735784,
    ),
    Optimum("TomatoSalad", {"layout": "C"}, "16025013", 185, 40, 1.160, 0.7890868988481305, 1.1473046787326888),
]
LARGE_OPTIMA = [
    Optimum(
        "TomatoLettuceSalad",
        {"layout": "C"},
        "38081570470316",
        103239,
        56,
        1.344,
        0.8001198342515028,
        1.3273705636044049,
    ),
    Optimum(
        "TomatoLettuceSalad",
        {"layout": "C", "task": "onion salad"},
        "38257236",
        103239,
        36,
        1.164,
        0.8240328742452531,
        1.1510172968686636,
    ),
    Optimum(
        "TomatoLettuceSalad",
        {"layout": "C", "task": TRIPLE},
        "082815724751805713206",
        103239,
        82,
        1.518,
        0.7610386047594603,
        1.4983020695343818,
    ),
]


def act_out(name: str, arguments: dict[str, str]) -> tuple[int, float]:
    """Follow the planner to the end: primitive steps and logged return."""
    env = text.make(name, **arguments)
    env.reset()
    planner, over = env.unwrapped.planner(), False
    while not over:
        *_, terminated, truncated, info = env.step(planner.act())
        over = terminated or truncated
    assert info["success"]
    return info["episode_length"], info["episode_return"]


def check_known_way(known: Optimum) -> None:
    """Walk the known way: each action must be among the planner's best, and everything must add up."""
    env = text.make(known.name, **known.arguments)
    env.reset()
    plan = env.unwrapped.planner().plan()
    assert len(plan.states) == known.states
    assert plan.value(env.unwrapped.state) == pytest.approx(known.logged, abs=1e-12)
    total, undiscounted = 0.0, 0.0
    for action in map(int, known.actions):
        before = env.unwrapped.state
        assert action in plan.best(before)
        events = dynamics.run(env.unwrapped.kitchen, before, action).events
        undiscounted += sum(map(env.unwrapped.rewards.of, events))
        _, reward, terminated, _, info = env.step(action)
        total += float(reward)
    assert terminated
    assert info["episode_length"] == known.steps
    assert (undiscounted, info["episode_return"], total) == pytest.approx(known[5:], abs=1e-12)


@pytest.mark.parametrize("known", OPTIMA, ids=str)
def test_the_planner_meets_the_known_optimum(known: Optimum) -> None:
    check_known_way(known)
    assert act_out(known.name, known.arguments) == pytest.approx((known.steps, known.logged), abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("known", LARGE_OPTIMA, ids=str)
def test_the_planner_meets_the_known_optimum_of_the_largest_kitchen(known: Optimum) -> None:
    check_known_way(known)
    assert act_out(known.name, known.arguments) == pytest.approx((known.steps, known.logged), abs=1e-12)


@pytest.mark.parametrize("name", ["TomatoSalad", pytest.param("TomatoLettuceSalad", marks=pytest.mark.slow)])
def test_step_by_step_the_planner_does_as_well(name: str) -> None:
    known = next(known for known in OPTIMA if known.name == name)
    assert act_out(name, {"actions": "primitive"}) == pytest.approx((known.steps, known.logged), abs=1e-12)


def test_values_are_the_best_that_any_action_leads_to() -> None:
    env = text.make("TomatoLettuceSalad")
    env.reset()
    plan, kitchen = env.unwrapped.planner().plan(), env.unwrapped.kitchen
    for state in plan.states[::7]:
        values = []
        for action in range(len(kitchen.macros)):
            outcome = dynamics.run(kitchen, state, action)
            reward, discount = env.unwrapped.rewards.discounted(outcome.events, 0.99)
            values.append(reward + (0 if dynamics.is_over(outcome) else discount * plan.value(outcome.state)))
        assert plan.value(state) == pytest.approx(max(values), abs=1e-9)


@pytest.mark.parametrize("name", ["TomatoSalad", "TomatoLettuceSalad"])
def test_where_the_salad_cannot_be_made_waiting_is_worth_as_much_as_anything(name: str) -> None:
    env = text.make(name, layout="B")
    env.reset()
    plan = env.unwrapped.planner().plan()
    assert plan.value(env.unwrapped.state) == pytest.approx(-0.001 / 0.01)
    assert env.unwrapped.action_masks()[env.unwrapped.planner().act()] == 1


def test_the_planner_goes_on_from_a_place_that_macro_actions_never_reach() -> None:
    env = text.make("TomatoSalad", actions="primitive")
    env.reset()
    for move in (0, 3, 1, 1, 0):  # take the tomato, put it on a bare counter on the right
        env.step(move)
    assert env.unwrapped.state.foods[0].place == (3, 6)
    planner, over = env.unwrapped.planner(), False
    while not over:
        *_, terminated, truncated, _ = env.step(planner.act())
        over = terminated or truncated
    assert terminated
