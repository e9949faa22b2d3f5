from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twosome.envs.overcooked import dynamics, view
from twosome.envs.overcooked.layout import FOOD_STARTS, LAYOUTS, make_kitchen

KITCHENS = [
    (1, "tomato salad", "A"),
    (3, "lettuce-tomato salad", "A"),
    (1, "tomato salad", "B"),
    (1, "tomato salad", "C"),
]


@pytest.mark.parametrize("name", KITCHENS, ids=str)
def test_hidden_actions_change_nothing_and_offered_ones_may_change_something(
    explore: Callable, name: tuple[int, str, str]
) -> None:
    kitchen, _, by_view = explore(*name)
    assert len(by_view) > 3
    for seen, states in by_view.items():
        offered = [view.sensible(kitchen, seen, macro) for macro in kitchen.macros]
        assert any(offered)
        for action, is_offered in enumerate(offered):
            changes = any(dynamics.run(kitchen, state, action).state != state for state in states)
            assert changes == is_offered, (kitchen.macros[action].name, states[0])


@pytest.mark.slow
def test_hidden_actions_change_nothing_in_the_largest_kitchen(explore: Callable) -> None:
    kitchen, _, by_view = explore(3, "lettuce-tomato salad", "C")
    for seen, states in by_view.items():
        for action, macro in enumerate(kitchen.macros):
            assert view.sensible(kitchen, seen, macro) or all(
                dynamics.run(kitchen, state, action).state == state for state in states
            )


@given(st.sampled_from(list(LAYOUTS)), st.lists(st.integers(0, 4), max_size=150))
def test_offered_moves_are_exactly_those_that_change_something(layout: str, moves: list[int]) -> None:
    kitchen = make_kitchen(tuple(FOOD_STARTS), "lettuce-tomato salad", layout)
    state = dynamics.start(kitchen)
    memory = dynamics.first_memory(kitchen, state)
    for move in moves:
        outcome = dynamics.run_primitive(kitchen, state, move)
        if dynamics.is_over(outcome):
            break
        state = outcome.state
        memory = dynamics.remember(kitchen, memory, state)
        places = [place for place in (state.plate, *(f.place for f in state.foods)) if isinstance(place, tuple)]
        if len(places) > len(set(places)):
            break  # a vegetable came back to a counter that was taken meanwhile
        seen = view.recall(kitchen, state.agent, memory)
        for action in range(5):
            assert view.sensible_move(kitchen, seen, action) == (
                dynamics.run_primitive(kitchen, state, action).state != state
            )


@pytest.mark.parametrize("name", KITCHENS, ids=str)
def test_a_view_knows_no_more_than_the_numbers_of_the_observation(
    explore: Callable, name: tuple[int, str, str]
) -> None:
    kitchen, _, by_view = explore(*name)
    assert len({tuple(view.vector(kitchen, seen)) for seen in by_view}) == len(by_view)


def test_what_is_perceived_is_what_is_there() -> None:
    kitchen = make_kitchen(tuple(FOOD_STARTS), "lettuce-tomato salad")
    state = dynamics.State(
        (2, 1), (dynamics.Food("plate", 3), dynamics.Food((2, 0), 3), dynamics.Food((2, 6), 0)), (1, 0)
    )
    seen = view.perceive(kitchen, state)
    assert seen.in_plate == (0,)
    assert seen.foods[1] == view.Sight((2, 0), strokes=1)
    assert seen.foods[2] is None
    assert seen.empty_handed
    assert view.board_beside(kitchen, seen) == 1
    assert view.raw_food_beside(kitchen, seen) is None
