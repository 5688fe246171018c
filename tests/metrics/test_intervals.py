"""Bootstrap intervals: coverage, pairing, and the width that grouping must add."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from shortlist.metrics import Interval, MetricInputError, bootstrap_mean, gauc, paired_difference


def clustered(random: np.random.Generator, mean: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """80 users of 1 to 9 rows each, whose rows share most of their deviation from the mean."""
    groups = np.repeat(np.arange(80), random.integers(1, 10, 80))
    values = mean + random.normal(size=80)[groups] + 0.3 * random.normal(size=len(groups))
    return values, groups


def test_grouped_intervals_cover_and_naive_ones_do_not() -> None:
    random = np.random.default_rng(11)
    grouped_hits, naive_hits = 0, 0
    for trial in range(400):
        values, groups = clustered(random, 2.0)
        grouped = bootstrap_mean(values, groups, seed=trial, level=0.9, num_resamples=300)
        naive = bootstrap_mean(values, seed=trial, level=0.9, num_resamples=300)
        grouped_hits += grouped.low <= 2.0 <= grouped.high
        naive_hits += naive.low <= 2.0 <= naive.high
    # 400 trials at .90: the standard error is .015.
    assert 0.85 <= grouped_hits / 400 <= 0.95
    assert naive_hits / 400 < 0.75


def test_matches_the_bootstrap_of_scipy() -> None:
    values = np.random.default_rng(4).exponential(size=200)
    mine = bootstrap_mean(values, num_resamples=8000)
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=8000, method="percentile", rng=1
    ).confidence_interval
    assert (mine.low, mine.high) == pytest.approx((theirs.low, theirs.high), abs=0.01)


def test_pairing_sees_what_separate_intervals_cannot() -> None:
    random = np.random.default_rng(8)
    base, groups = clustered(random, 0.0)
    better = base + 0.05 + 0.05 * random.normal(size=len(base))
    paired = paired_difference(better, base, groups)
    assert paired.excludes_zero
    assert paired.value == pytest.approx((better - base).mean())
    assert bootstrap_mean(better, groups).low < bootstrap_mean(base, groups).high
    assert not paired_difference(base, base, groups).excludes_zero


def test_weights_make_the_value_of_gauc() -> None:
    random = np.random.default_rng(6)
    groups, labels, scores = random.integers(0, 50, 2000), random.random(2000) < 0.3, random.random(2000)
    answer = gauc(groups, labels, scores)
    interval = bootstrap_mean(answer.values, answer.groups, answer.weights)
    assert interval.value == pytest.approx(answer.value)
    assert interval.low < answer.value < interval.high
    assert interval.num_groups == answer.num_groups


def test_same_seed_same_interval_in_any_number_of_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(size=50)
    whole = bootstrap_mean(values, seed=3)
    assert whole == bootstrap_mean(values, seed=3)
    assert whole != bootstrap_mean(values, seed=4)
    monkeypatch.setattr("shortlist.metrics.intervals.DRAWS_AT_ONCE", 170)
    assert whole == bootstrap_mean(values, seed=3)


def test_an_interval_around_zero_does_not_exclude_it() -> None:
    assert Interval(0.2, 0.1, 0.3, 0.95, 5).excludes_zero
    assert Interval(-0.2, -0.3, -0.1, 0.95, 5).excludes_zero
    assert not Interval(0.1, -0.1, 0.3, 0.95, 5).excludes_zero


def test_bad_requests_are_refused() -> None:
    with pytest.raises(MetricInputError, match="at least 2 groups"):
        bootstrap_mean([1.0, 2.0], [7, 7])
    with pytest.raises(MetricInputError, match="values: 1 of 2 are NaN"):
        bootstrap_mean([1.0, float("nan")])
    with pytest.raises(MetricInputError, match="level: expected a coverage"):
        bootstrap_mean([1.0, 2.0], level=95)
    with pytest.raises(MetricInputError, match="weights: expected values of zero or more"):
        bootstrap_mean([1.0, 2.0], weights=[1.0, -1.0])
    with pytest.raises(MetricInputError, match="b: expected 2 values"):
        paired_difference([1.0, 2.0], [1.0])
