"""Curves of several seeds: where they can be compared, and when they reach a level."""

import pytest

from twosome.report.curve import decisions_to, on_one_grid


def test_curves_are_compared_where_all_of_them_have_values():
    places, values = on_one_grid([([0, 10, 20], [0.0, 1.0, 0.0]), ([5, 15, 25], [2.0, 4.0, 8.0])])
    assert places.tolist() == [5, 10, 15, 20]
    assert values.tolist() == [[0.5, 1.0, 0.5, 0.0], [2.0, 3.0, 4.0, 6.0]]


@pytest.mark.parametrize(
    "curves", [[], [([], [])], [([1, 2], [0.0, 0.0]), ([3, 4], [0.0, 0.0])], [([1], [0.0]), ([], [])]]
)
def test_curves_without_a_common_place_have_none(curves):
    places, values = on_one_grid(curves)
    assert len(places) == 0
    assert values.shape == (len(curves), 0)


def test_the_first_decisions_are_not_asked_whether_the_level_is_reached():
    curve = [(128, 0.99), (384, 0.95), (512, None), (640, 0.7), (768, 0.9), (896, 0.95)]
    assert decisions_to(curve, 0.9) == 768
    assert decisions_to([(512, 0.9)], 0.9) == 512
    assert decisions_to(curve, 0.96) is None
