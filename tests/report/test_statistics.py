"""Statistics over a few seeds: against their definitions, and against rliable where it is installed."""

import itertools

import numpy as np
import pytest

from twosome.report.statistics import (
    decisions_to,
    improvement_interval,
    iqm,
    iqm_interval,
    on_one_grid,
    probability_of_improvement,
)

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3.0], 3.0),
        ([1.0, 3.0], 2.0),
        ([1.0, 3.0, 8.0], 4.0),  # a quarter of three is less than one
        ([-100.0, 1.0, 2.0, 100.0], 1.5),
        ([9.0, 1.0, 2.0, 3.0, 0.0], 2.0),
        ([0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 9.0, 9.0], 2.5),
    ],
)
def test_the_iqm_is_the_mean_of_the_middle_half(values, expected):
    assert iqm(np.array(values)) == pytest.approx(expected)


def test_each_point_of_a_curve_has_an_iqm_of_its_own():
    curves = np.array([[0.0, 9.0], [1.0, 1.0], [2.0, 2.0], [90.0, 0.0]])
    assert iqm(curves) == pytest.approx([1.5, 1.5])


def test_the_interval_of_equal_seeds_is_a_point_and_otherwise_holds_the_iqm():
    assert iqm_interval([np.full(5, 0.7)]) == pytest.approx((0.7, 0.7))
    values = RNG.normal(size=10)
    low, high = iqm_interval([values])
    assert values.min() < low < iqm(values) < high < values.max()


def test_the_interval_of_two_seeds_is_the_exact_quantile():
    # The mean of two draws from {0, 1} is 0, 1/2, 1 with probabilities 1/4, 1/2, 1/4.
    assert iqm_interval([np.array([0.0, 1.0])]) == (0.0, 1.0)


def test_seeds_are_drawn_within_their_own_world():
    # Drawn from the pool, some draws would lack a world; within each world all seeds are alike.
    easy, hard = np.full(3, 1.0), np.zeros(3)
    low, high = iqm_interval([easy, hard])
    assert low == high == iqm(np.concatenate([easy, hard]))


def test_the_probability_of_improvement_counts_pairs_and_half_the_ties():
    x, y = np.array([1.0, 2.0, 3.0]), np.array([0.0, 2.0])
    by_hand = np.mean([1.0 if a > b else 0.5 if a == b else 0.0 for a, b in itertools.product(x, y)])
    assert probability_of_improvement([(x, y)]) == pytest.approx(by_hand)
    assert probability_of_improvement([(y, x)]) == pytest.approx(1 - by_hand)
    assert probability_of_improvement([(x, x)]) == 0.5
    assert probability_of_improvement([(x, y), (y, x)]) == pytest.approx(0.5)
    assert improvement_interval([(x + 10, y)]) == (1.0, 1.0)


def test_iqm_and_probability_of_improvement_are_those_of_rliable():
    metrics = pytest.importorskip("rliable.metrics")
    for runs in range(2, 12):
        scores, others = RNG.normal(size=(runs, 3)), RNG.normal(size=(runs + 1, 3)).round(1)
        assert iqm(scores.flatten()) == pytest.approx(metrics.aggregate_iqm(scores))
        pairs = [(scores[:, i].round(1), others[:, i]) for i in range(3)]
        expected = metrics.probability_of_improvement(scores.round(1), others)
        assert probability_of_improvement(pairs) == pytest.approx(expected)


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
