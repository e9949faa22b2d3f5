import json
from collections import deque

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twosome.envs import text
from twosome.envs.overcooked import dynamics
from twosome.envs.overcooked.dynamics import ActionResult, Food, State
from twosome.envs.overcooked.layout import (
    BOARDS,
    DELIVERY,
    FLOOR,
    FOOD_STARTS,
    LAYOUTS,
    PLATE_START,
    TASKS,
    Kitchen,
    distance,
    make_kitchen,
    step_to,
    ways,
)
from twosome.envs.overcooked.view import perceive, vector
from twosome.errors import ConfigError

ALL = tuple(FOOD_STARTS)
A = make_kitchen(ALL, "lettuce-tomato salad")
SOLID = [(r, c) for r in range(7) for c in range(7) if (r, c) not in FLOOR and (r in range(1, 6) or c in range(1, 6))]

KITCHENS = [make_kitchen(ALL, task, layout) for task in TASKS for layout in LAYOUTS]
KITCHENS += [make_kitchen(ALL[:1], "tomato salad", layout) for layout in LAYOUTS]
kitchens = st.sampled_from(KITCHENS)


def observe(kitchen: Kitchen, state: State) -> tuple[int, ...]:
    return tuple(vector(kitchen, perceive(kitchen, state)).tolist())


def play(kitchen: Kitchen, actions: list[int], primitive: bool = False) -> list[ActionResult]:
    """The outcomes of actions, of which each number stands for one modulo their count."""
    state, outcomes = dynamics.start(kitchen), []
    for action in actions:
        if primitive:
            outcomes.append(dynamics.run_primitive(kitchen, state, action % 5))
        else:
            outcomes.append(dynamics.run(kitchen, state, action % len(kitchen.macros)))
        if dynamics.is_over(outcomes[-1]):
            break
        state = outcomes[-1].state
    return outcomes


@given(kitchens, st.lists(st.integers(0, 359), max_size=60), st.booleans())
def test_nothing_appears_or_vanishes_and_the_hand_holds_one_thing(
    kitchen: Kitchen, actions: list[int], primitive: bool
) -> None:
    for state, events in play(kitchen, actions, primitive):
        assert len(state.foods) == len(kitchen.foods)
        assert state.agent in kitchen.floor
        held = [food for food in state.foods if food.place == "hand"]
        assert len(held) + (state.plate == "hand") <= 1
        for food in state.foods:
            assert 0 <= food.chops <= dynamics.CHOPPED
            assert food.place != "plate" or food.chopped
            assert food.place not in kitchen.floor
        assert state.plate not in kitchen.floor
        assert 1 <= len(events) <= 20


@given(kitchens, st.lists(st.integers(0, 359), max_size=60))
def test_two_things_never_lie_in_one_place_with_macro_actions(kitchen: Kitchen, actions: list[int]) -> None:
    for state, _ in play(kitchen, actions):
        lying = [place for place in (state.plate, *(food.place for food in state.foods)) if isinstance(place, tuple)]
        assert len(lying) == len(set(lying))


@given(kitchens, st.lists(st.integers(0, 359), max_size=60))
def test_the_observation_shows_what_is_near_and_zeros_for_the_rest(kitchen: Kitchen, actions: list[int]) -> None:
    n = len(kitchen.foods)
    for state, _ in play(kitchen, actions):
        seen = observe(kitchen, state)
        for i, food in enumerate(state.foods):
            row, col = dynamics.food_cell(state, i)
            near = abs(row - state.agent[0]) <= 2 and abs(col - state.agent[1]) <= 2
            assert seen[3 * i : 3 * i + 3] == ((row, col, food.chops) if near else (0, 0, 0))
        assert seen[-9:-7] == state.agent
        assert sum(seen[-7:]) == 1
        assert len(seen) == 3 * n + 2 * (3 + len(kitchen.boards)) + 7


@given(st.lists(st.integers(0, 4), max_size=100))
def test_the_memory_of_a_lonely_cook_is_always_right(moves: list[int]) -> None:
    state = dynamics.start(A)
    memory = dynamics.first_memory(A, state)
    for move in moves:
        state = dynamics.run_primitive(A, state, move).state
        memory = dynamics.remember(A, memory, state)
        assert memory.foods == tuple(dynamics.food_cell(state, i) for i in range(3))
        assert memory.plate == dynamics.plate_cell(state)


@given(kitchens, st.lists(st.integers(0, 359), max_size=60))
def test_a_state_survives_the_way_through_json(kitchen: Kitchen, actions: list[int]) -> None:
    for state, _ in play(kitchen, actions):
        assert dynamics.from_json(kitchen, json.loads(json.dumps(dynamics.to_json(state)))) == state


def test_the_open_room_is_crossed_up_or_down_first() -> None:
    for target in SOLID:
        for cell in FLOOR:
            down, right = target[0] - cell[0], target[1] - cell[1]
            vertical = step_to(cell, 1 if down > 0 else 3)
            is_vertical = down != 0 and (vertical in FLOOR or vertical == target)
            expected = (1 if down > 0 else 3) if is_vertical else (0 if right > 0 else 2)
            assert ways("A", target)[cell] == expected


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_every_way_is_a_shortest_one(layout: str) -> None:
    floor = make_kitchen(ALL, TASKS[0], layout).floor
    for target in set(SOLID) | (FLOOR - floor):
        steps = {cell: 1 for cell in floor if distance(cell, target) == 1}
        queue = deque(steps)
        while queue:
            cell = queue.popleft()
            for beside in (step_to(cell, move) for move in range(4)):
                if beside in floor and beside not in steps:
                    steps[beside] = steps[cell] + 1
                    queue.append(beside)
        assert set(ways(layout, target)) == set(steps)
        for cell, move in ways(layout, target).items():
            reached = step_to(cell, move)
            assert reached == target if steps[cell] == 1 else steps[reached] == steps[cell] - 1


def test_the_vegetables_of_the_divided_room_are_out_of_reach() -> None:
    left = [cell for cell in make_kitchen(ALL, TASKS[0], "B").floor if cell[1] < 3]
    assert len(left) == 10
    for target in (*FOOD_STARTS.values(), PLATE_START):
        assert not set(left) & set(ways("B", target))


def use(state: State, move: int) -> tuple[State, str]:
    return dynamics.tick(A, state, move)


def test_a_raw_vegetable_does_not_go_into_the_plate() -> None:
    state = State((1, 1), (Food("hand", 2), Food((1, 6), 0), Food((2, 6), 0)), (1, 0))
    assert use(state, 2) == (state, "step")


def test_a_chopped_vegetable_brings_the_plate_into_the_hand_only_on_a_board() -> None:
    foods = (Food("hand", 3), Food((1, 6), 0), Food((2, 6), 0))
    on_board, _ = use(State((1, 1), foods, (1, 0)), 2)
    on_counter, _ = use(State((4, 1), foods, (4, 0)), 2)
    assert (on_board.foods[0].place, on_board.plate) == ("plate", "hand")
    assert (on_counter.foods[0].place, on_counter.plate) == ("plate", (4, 0))


def test_the_third_stroke_pays_only_for_what_the_salad_asks_for() -> None:
    board = BOARDS[0]
    for i, event in enumerate(["subtask", "subtask", "step"]):
        foods = [Food(cell, 0) for cell in FOOD_STARTS.values()]
        foods[i] = Food(board, 2)
        after, happened = use(State((1, 1), tuple(foods), PLATE_START), 2)
        assert (happened, after.foods[i]) == (event, Food(board, 3))


def test_what_was_not_ordered_goes_back_raw() -> None:
    foods = (Food("plate", 3), Food((1, 6), 0), Food("plate", 3))
    after, event = use(State((3, 1), foods, "hand"), 2)
    assert event == "wrong"
    assert after == dynamics.start(A)._replace(agent=(3, 1))


def test_the_ordered_salad_stays_on_the_serving_counter() -> None:
    foods = (Food("plate", 3), Food("plate", 3), Food((2, 6), 0))
    after, event = use(State((3, 1), foods, "hand"), 2)
    assert event == "correct"
    assert observe(A, after)[:6] == (3, 0, 3, 3, 0, 3)
    assert after.plate == DELIVERY


def test_in_the_tomato_kitchen_with_walls_knife_two_is_the_serving_counter() -> None:
    kitchen = make_kitchen(ALL[:1], "tomato salad", "C")
    state = State((2, 1), (Food("hand", 0),), PLATE_START)
    names = [macro.name for macro in kitchen.macros]
    served = dynamics.run(kitchen, state, names.index("go to knife 2"))
    assert served.events == ("step", "wrong")
    assert dynamics.run(kitchen, state, names.index("deliver")) == ActionResult(state, ("step",))


def test_a_wider_view_sees_more_and_changes_no_walk() -> None:
    far = make_kitchen(ALL, "lettuce-tomato salad", "A", 6)
    assert 0 not in [observe(far, dynamics.start(far))[i] for i in (1, 3, 4, 6, 7, 9, 10)]
    for action in range(8):
        assert dynamics.run(far, dynamics.start(far), action).state == dynamics.run(A, dynamics.start(A), action).state


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"task": "letuce-tomato salad"}, "Did you mean 'lettuce-tomato salad'"),
        ({"layout": "D"}, "'A', 'B', 'C'"),
        ({"actions": "marco"}, "Did you mean 'macro'"),
        ({"obs_radius": 0}, "from 1 to 6"),
        ({"rewards": {"corect": 1.0}}, "Did you mean 'correct'"),
        ({"foods": ("leek",)}, "'tomato'"),
        ({"layuot": "A"}, "Did you mean 'layout'"),
    ],
)
def test_a_wrong_argument_is_refused_with_a_hint(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        text.make("TomatoLettuceSalad", **arguments)


def test_the_tomato_kitchen_has_no_lettuce_to_ask_for() -> None:
    with pytest.raises(ConfigError, match="expected one of 'tomato salad'"):
        text.make("TomatoSalad", task="lettuce salad")


def test_rewards_can_be_replaced_one_by_one() -> None:
    env = text.make("TomatoSalad", rewards={"step": -0.5, "subtask": 3.0})
    env.reset()
    assert [env.step(action)[1] for action in (0, 2, 4)][::2] == [-0.5 - 0.99 * 0.5, -0.5 - 0.99 * 0.5 + 0.99**2 * 2.5]


def test_what_is_remembered_is_restored_too() -> None:
    env, copy = (text.make("TomatoSalad", actions="primitive") for _ in range(2))
    env.reset()
    copy.reset()
    carry_and_chop_and_leave = [0, 3, 2, 2, 2, 2, 2, 2, 2, 2, 0, 0]
    for move in carry_and_chop_and_leave:
        observation, *_ = env.step(move)
    assert observation["vector"][:3].tolist() == [1 / 7, 0, 1 / 3]  # out of view: remembered, and fading
    copy.unwrapped.set_state(json.loads(json.dumps(env.unwrapped.get_state())))
    assert copy.unwrapped.observation()["vector"].tolist() == observation["vector"].tolist()
    assert copy.step(0)[0]["vector"].tolist() == env.step(0)[0]["vector"].tolist()


def test_uniform_play_over_all_actions_earns_what_is_known_of_it() -> None:
    env = text.make("TomatoSalad")
    rng = np.random.default_rng(0)
    returns, successes = [], []
    for _ in range(500):
        env.reset()
        over = False
        while not over:
            *_, terminated, truncated, info = env.step(int(rng.integers(5)))
            over = terminated or truncated
        returns.append(info["episode_return"])
        successes.append(info["success"])
    assert np.mean(returns) == pytest.approx(-0.090, abs=0.02)  # standard error 0.008
    assert np.mean(successes) == pytest.approx(0.45, abs=0.05)  # standard error 0.022
