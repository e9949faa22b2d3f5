import pytest

from twosome.envs import text
from twosome.envs.overcooked import world

OPTIMA = [
    # world, arguments, states, primitive steps, undiscounted, logged return, sum of macro rewards
    ("TomatoSalad", {}, 24, 28, 1.172, 0.920518092564195, 1.1102837966825794),
    ("TomatoLettuceSalad", {}, 1156, 45, 1.355, 0.9476564569165644, 1.338102019111256),
    ("TomatoLettuceSalad", {"task": "onion salad"}, 1156, 28, 1.172, 0.9186910580692278, 1.110217213930063),
    (
        "TomatoLettuceSalad",
        {"task": "lettuce-onion-tomato salad"},
        1156,
        63,
        1.537,
        0.9447053262235874,
        1.506451583735784,
    ),
    ("TomatoSalad", {"layout": "C"}, 185, 40, 1.160, 0.7890868988481305, 1.1473046787326888),
]
LARGE_OPTIMA = [
    ("TomatoLettuceSalad", {"layout": "C"}, 103239, 56, 1.344, 0.8001198342515028, 1.3273705636044049),
    (
        "TomatoLettuceSalad",
        {"layout": "C", "task": "onion salad"},
        103239,
        36,
        1.164,
        0.8240328742452531,
        1.1510172968686636,
    ),
    (
        "TomatoLettuceSalad",
        {"layout": "C", "task": "lettuce-onion-tomato salad"},
        103239,
        82,
        1.518,
        0.7610386047594603,
        1.4983020695343818,
    ),
]


def act_out(name: str, arguments: dict[str, str]) -> tuple[int, float, float, float]:
    """Follow the planner: primitive steps, undiscounted, logged return, sum of macro rewards."""
    env = text.make(name, **arguments)
    env.reset()
    planner = env.unwrapped.planner()
    over, total, steps, bonus = False, 0.0, 0, 0.0
    while not over:
        before = env.unwrapped.state
        action = planner.act()
        *_, reward, terminated, truncated, info = env.step(action)
        total += reward
        steps += info["primitive_steps"]
        if arguments.get("actions") != "primitive":
            events = world.run(env.unwrapped.kitchen, before, action).events
            bonus += 0.2 * events.count("subtask") + events.count("correct") - 0.1 * events.count("wrong")
        over = terminated or truncated
    assert info["success"]
    return steps, bonus - 0.001 * steps, info["episode_return"], total


@pytest.mark.parametrize(("name", "arguments", "states", "steps", "undiscounted", "logged", "total"), OPTIMA)
def test_the_planner_meets_the_known_optimum(
    name: str, arguments: dict[str, str], states: int, steps: int, undiscounted: float, logged: float, total: float
) -> None:
    found = act_out(name, arguments)
    assert found[0] == steps
    assert found[1:] == pytest.approx((undiscounted, logged, total), abs=1e-12)
    env = text.make(name, **arguments)
    env.reset()
    plan = env.unwrapped.planner().plan()
    assert len(plan.states) == states
    assert plan.value(env.unwrapped.state) == pytest.approx(logged, abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "arguments", "states", "steps", "undiscounted", "logged", "total"), LARGE_OPTIMA)
def test_the_planner_meets_the_known_optimum_of_the_largest_kitchen(
    name: str, arguments: dict[str, str], states: int, steps: int, undiscounted: float, logged: float, total: float
) -> None:
    test_the_planner_meets_the_known_optimum(name, arguments, states, steps, undiscounted, logged, total)


@pytest.mark.parametrize("name", ["TomatoSalad", pytest.param("TomatoLettuceSalad", marks=pytest.mark.slow)])
def test_step_by_step_the_planner_does_as_well(name: str) -> None:
    steps, _, logged, _ = act_out(name, {"actions": "primitive"})
    expected = next(row for row in OPTIMA if row[0] == name)
    assert (steps, logged) == (expected[3], pytest.approx(expected[5], abs=1e-12))


def test_values_are_the_best_that_any_action_leads_to() -> None:
    env = text.make("TomatoLettuceSalad")
    env.reset()
    plan, kitchen = env.unwrapped.planner().plan(), env.unwrapped.kitchen
    for state in plan.states[::7]:
        values = []
        for action in range(len(kitchen.macros)):
            outcome = world.run(kitchen, state, action)
            reward, discount = env.unwrapped.rewards.discounted(outcome.events, 0.99)
            values.append(reward + (0 if world.is_over(outcome) else discount * plan.value(outcome.state)))
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
