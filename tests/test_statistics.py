"""Every formula against its definition, and against scipy, statsmodels and rliable where they are installed."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twosome import statistics
from twosome.statistics import (
    bootstrap_interval,
    bootstrap_means,
    difference_interval,
    drop_interval,
    exponent,
    improvement_interval,
    iqm,
    iqm_interval,
    mcnemar,
    mean_difference_interval,
    median_ratio_interval,
    paired_ratio,
    probability_of_improvement,
    quartiles,
    rank_correlation,
    stratified_means,
    wilson_interval,
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


def test_seeds_are_drawn_within_their_own_environment():
    # Drawn from the pool, some draws would lack an environment; within each environment all seeds are alike.
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


@given(st.integers(0, 50), st.integers(1, 50))
def test_an_interval_of_a_rate_contains_it_and_lies_between_0_and_1(successes, more):
    trials = successes + more
    low, high = wilson_interval(successes, trials)
    assert 0 <= low <= successes / trials <= high <= 1


def test_the_bootstrap_interval_is_close_to_the_normal_one():
    values = np.random.default_rng(1).normal(2.0, 1.0, 400)
    low, high = bootstrap_interval(values)
    assert low == pytest.approx(values.mean() - 1.96 * values.std() / 20, abs=0.02)
    assert high == pytest.approx(values.mean() + 1.96 * values.std() / 20, abs=0.02)


@given(st.integers(1, 40), st.integers(1, 40), st.data())
def test_an_interval_of_a_difference_of_rates_contains_it_and_turns_around_with_it(n, m, data):
    a, b = data.draw(st.integers(0, n)), data.draw(st.integers(0, m))
    low, high = difference_interval((a, n), (b, m))
    assert -1 <= low <= a / n - b / m <= high <= 1
    assert low < high
    assert difference_interval((b, m), (a, n)) == pytest.approx((-high, -low))


def test_resampling_in_parts_gives_what_resampling_at_once_gives(monkeypatch):
    values = np.random.default_rng(1).normal(2.0, 1.0, 37)
    at_once = np.random.default_rng(0).choice(values, (1001, 37)).mean(axis=1)
    monkeypatch.setattr(statistics, "_DRAWN_AT_ONCE", 37 * 100 + 5)
    largest, choice = [], np.random.Generator.choice

    class Watched(np.random.Generator):
        def choice(self, values, size):  # type: ignore[override]  # all that is called
            largest.append(np.prod(size))
            return choice(self, values, size)

    in_parts = bootstrap_means(values, Watched(np.random.PCG64(0)), 1001)
    assert (in_parts == at_once).all()
    assert len(largest) == 11
    assert max(largest) <= 37 * 100 + 5


def test_tasks_that_differ_do_not_widen_the_interval_but_episodes_that_differ_do():
    """The tasks are given; only episodes are resampled, within their task."""
    between, within = [np.zeros(50), np.ones(50)], [np.tile([0.0, 1.0], 25)] * 2
    rng = np.random.default_rng(0)
    assert np.ptp(stratified_means(between, rng)) == 0
    assert stratified_means(within, rng).std() == pytest.approx(0.05, abs=0.002)


@given(st.integers(0, 8), st.integers(0, 8))
def test_mcnemar_counts_all_ways_in_which_the_changed_items_could_have_fallen(lost, won):
    changed = lost + won
    far = abs(lost - won)
    ways = [abs(2 * sum(signs) - changed) >= far for signs in itertools.product((0, 1), repeat=min(changed, 10))]
    if changed <= 10:
        assert mcnemar(lost, won) == pytest.approx(sum(ways) / len(ways))
    assert mcnemar(lost, won) == mcnemar(won, lost)


def test_the_interval_of_a_drop_holds_what_a_score_test_does_not_reject():
    """Beside the constrained likelihood maximized on a fine grid."""
    lost, won, items = 7, 2, 60
    shares = np.linspace(1e-6, 1 - 1e-6, 200_001)

    def statistic(drop: float) -> float:
        inside = shares[(shares + drop > 0) & (2 * shares + drop < 1)]
        likelihood = lost * np.log(inside + drop) + won * np.log(inside)
        likelihood += (items - lost - won) * np.log(1 - 2 * inside - drop)
        best = inside[np.argmax(likelihood)]
        return abs(lost - won - items * drop) / math.sqrt(items * (2 * best + drop - drop**2))

    for bound in drop_interval(lost, won, items):
        assert statistic(bound) == pytest.approx(1.96, abs=0.002)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(61, 500))
def test_the_interval_of_a_drop_moves_with_what_is_lost_and_is_turned_around_by_exchange(lost, won, items):
    low, high = drop_interval(lost, won, items)
    assert -1 <= low < (lost - won) / items < high <= 1
    assert drop_interval(won, lost, items) == pytest.approx((-high, -low))
    more = drop_interval(lost + 1, won, items)
    assert more[0] > low
    assert more[1] > high


@pytest.mark.parametrize(("lost", "won"), [(0.03, 0.01), (0.02, 0.005), (0.15, 0.1)])
def test_a_drop_is_seldom_beyond_its_interval(lost, won):
    """All that can happen to 50 items, by its probability: 2.5 % to each side are meant."""
    items, beyond = 50, [0.0, 0.0]
    for a, b in itertools.product(range(items + 1), repeat=2):
        if a + b <= items:
            ways = math.comb(items, a) * math.comb(items - a, b)
            chance = ways * lost**a * won**b * (1 - lost - won) ** (items - a - b)
            low, high = drop_interval(a, b, items)
            beyond[0] += chance * (lost - won < low)
            beyond[1] += chance * (lost - won > high)
    assert max(beyond) < 0.04
    assert sum(beyond) < 0.06


def test_the_fit_recovers_a_known_exponent_within_its_interval():
    rng = np.random.default_rng(0)
    sizes = np.array([8.0, 32.0, 128.0, 512.0, 2048.0])
    hits = 0
    for _ in range(200):
        found = exponent(sizes.tolist(), (3 * sizes**1.5 * np.exp(rng.normal(scale=0.1, size=5))).tolist())
        low, high = found["ci95"]
        hits += low <= 1.5 <= high
    assert 180 <= hits <= 198


def test_a_curve_that_no_exponent_describes_has_a_wide_interval():
    sizes = [1.0, 10.0, 100.0, 1000.0]
    low, high = exponent(sizes, [100 + size for size in sizes])["ci95"]
    assert high - low > 0.5


COUNTS = [(0, 10), (3, 10), (10, 10), (41, 500), (499, 500)]


@pytest.mark.parametrize(("successes", "trials"), COUNTS)
def test_wilsons_interval_is_that_of_scipy(successes, trials):
    stats = pytest.importorskip("scipy.stats")
    expected = stats.binomtest(successes, trials).proportion_ci(0.95, "wilson")
    assert wilson_interval(successes, trials) == pytest.approx(tuple(expected), abs=1e-12)


@pytest.mark.parametrize(("first", "second"), [(a, b) for a, b in itertools.permutations(COUNTS, 2)])
def test_newcombes_interval_is_that_of_statsmodels(first, second):
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    expected = proportion.confint_proportions_2indep(*first, *second, method="newcomb")
    assert difference_interval(first, second) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("lost", "won"), [(0, 0), (1, 0), (5, 5), (6, 0), (34, 12), (167, 28)])
def test_mcnemars_p_is_that_of_statsmodels(lost, won):
    tables = pytest.importorskip("statsmodels.stats.contingency_tables")
    expected = tables.mcnemar([[100, lost], [won, 100]], exact=True).pvalue
    assert mcnemar(lost, won) == pytest.approx(1.0 if lost == won == 0 else expected, abs=1e-12)


@pytest.mark.parametrize(("lost", "won", "items"), [(0, 0, 20), (1, 0, 310), (7, 2, 60), (40, 12, 500)])
def test_tangos_bounds_are_where_scipy_finds_the_score_of_1_96(lost, won, items):
    """The restricted likelihood is maximized, and the bound found, by scipy's own methods."""
    optimize = pytest.importorskip("scipy.optimize")

    def score(drop: float) -> float:
        def against(share: float) -> float:
            both = [(lost, share + drop), (won, share), (items - lost - won, 1 - 2 * share - drop)]
            return -sum(n * math.log(max(p, 1e-300)) for n, p in both if n)

        low, high = max(0.0, -drop), (1 - drop) / 2
        share = optimize.minimize_scalar(against, (low, high), bounds=(low, high), options={"xatol": 1e-13}).x
        variance = items * (2 * share + drop - drop**2)
        return (lost - won - items * drop) / math.sqrt(variance)

    low, high = drop_interval(lost, won, items)
    seen = (lost - won) / items
    assert low == pytest.approx(optimize.brentq(lambda d: score(d) - statistics.Z95, -0.9, seen - 1e-6), abs=1e-5)
    assert high == pytest.approx(optimize.brentq(lambda d: score(d) + statistics.Z95, seen + 1e-6, 0.9), abs=1e-5)


def test_the_bootstrap_interval_is_that_of_scipy_but_for_the_draws():
    stats = pytest.importorskip("scipy.stats")
    values = RNG.exponential(size=60)
    expected = stats.bootstrap([values], np.mean, method="percentile", n_resamples=20_000, rng=1).confidence_interval
    assert bootstrap_interval(values) == pytest.approx(tuple(expected), abs=0.02)


def test_the_probability_of_improvement_is_mann_and_whitneys_u_as_a_share():
    stats = pytest.importorskip("scipy.stats")
    for _ in range(20):
        x, y = RNG.normal(size=5).round(1), RNG.normal(size=7).round(1)
        assert probability_of_improvement([(x, y)]) == pytest.approx(stats.mannwhitneyu(x, y).statistic / 35)


def test_the_iqm_is_scipys_mean_trimmed_by_a_quarter():
    stats = pytest.importorskip("scipy.stats")
    for size in range(1, 20):
        values = RNG.normal(size=size)
        assert iqm(values) == pytest.approx(stats.trim_mean(values, 0.25))


def test_the_rank_correlation_is_that_of_scipy():
    stats = pytest.importorskip("scipy.stats")
    x, y = RNG.integers(0, 6, 40), RNG.normal(size=40).round(1)
    assert rank_correlation(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)


def test_the_exponent_and_its_interval_are_those_of_statsmodels():
    api = pytest.importorskip("statsmodels.api")
    for count in range(3, 15):
        sizes = np.geomspace(1, 1000, count)
        costs = sizes**1.3 * np.exp(RNG.normal(scale=0.2, size=count))
        fitted = api.OLS(np.log(costs), api.add_constant(np.log(sizes))).fit()
        found = exponent(sizes.tolist(), costs.tolist())
        assert found["exponent"] == pytest.approx(fitted.params[1], abs=6e-4)
        assert found["ci95"] == pytest.approx(fitted.conf_int()[1].tolist(), abs=2e-3)


def test_quartiles_are_numpys_and_ratios_are_of_pairs():
    values = RNG.exponential(size=9).tolist()
    assert quartiles(values) == pytest.approx(np.percentile(values, [25, 50, 75]), rel=1e-4)
    # The machine was twice as slow in the second run, for both: the ratio does not care.
    assert paired_ratio([3.0, 6.0], [1.0, 2.0]) == [3.0, 3.0, 3.0]


def test_intervals_over_seeds_hold_what_they_are_of_and_know_a_seed_that_never_arrived():
    fast, slow = np.array([10.0, 11, 12, 13, 14]), np.array([20.0, 22, 24, 26, np.inf])
    low, high = median_ratio_interval(fast, slow)
    assert 0 <= low < 12 / 24 < high < 1
    low, high = mean_difference_interval(fast, fast + 5)
    assert low < -5 < high < 0
