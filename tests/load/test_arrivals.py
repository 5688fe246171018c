"""Schedules: right on average, as random as they say, and the same from the same seed."""

from __future__ import annotations

import numpy as np
from scipy.stats import kstest

from shortlist.load.arrivals import arrivals, schedule


def test_constant_arrivals_have_equal_gaps():
    times_s = arrivals(50, 2.0, "constant", seed=0)
    assert len(times_s) == 100
    np.testing.assert_allclose(np.diff(times_s), 0.02)


def test_poisson_gaps_are_exponential_and_the_count_is_poisson():
    times_s = arrivals(100, 200.0, "poisson", seed=3)
    gaps_s = np.diff(times_s)
    assert kstest(gaps_s, "expon", args=(0, gaps_s.mean())).pvalue > 0.01
    counts = np.histogram(times_s, bins=200, range=(0, 200))[0]
    assert 0.75 < counts.var() / counts.mean() < 1.25  # of a Poisson count they are equal
    assert abs(len(times_s) - 20_000) < 4 * np.sqrt(20_000)


def test_a_seed_gives_the_same_times_and_another_does_not():
    first = arrivals(100, 5.0, "poisson", seed=1)
    np.testing.assert_array_equal(first, arrivals(100, 5.0, "poisson", seed=1))
    assert not np.array_equal(first, arrivals(100, 5.0, "poisson", seed=2))


def test_events_have_a_schedule_of_their_own_beside_the_requests():
    merged = schedule(100, 0.5, 50.0, "poisson", seed=1)
    assert (np.diff(merged.due_s) >= 0).all()
    np.testing.assert_array_equal(merged.due_s[~merged.is_event], arrivals(100, 50.0, "poisson", seed=1))
    assert abs(merged.is_event.sum() - 2_500) < 4 * np.sqrt(2_500)
    assert not schedule(100, 0.0, 5.0, "constant", seed=1).is_event.any()
