"""Splits: by time, in order, never through a moment."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.offline.errors import OfflineError
from shortlist.offline.splits import Period, rolling_splits, split_at, split_by_share


def inside(times, period: Period):
    return (times >= period.start_us) & (times < period.end_us)


@settings(max_examples=200, deadline=None)
@given(
    gaps=st.lists(st.integers(0, 3), min_size=30, max_size=200),
    num_folds=st.integers(1, 3),
    within=st.integers(0, 40),
)
def test_test_periods_follow_one_another_and_every_trial_before_is_to_learn_from(gaps, num_folds, within):
    times = 1_000 + np.cumsum(np.array(gaps, np.int64))
    settled, end = times + within, int(times[-1])
    try:
        splits = rolling_splits(times, settled, end, num_folds=num_folds, valid=0.1, test=0.2)
    except OfflineError:
        assert times[-1] - times[0] < 200, "only a short log, or crowded moments, may leave a period empty"
        return
    assert len(splits) == num_folds
    assert times[settled <= end][-1] < splits[-1].test.end_us, "the latest settled trials are judged"
    for earlier, later in pairwise(splits):
        assert earlier.test.end_us == later.test.start_us
    for split in splits:
        periods = (split.train, split.valid, split.test)
        parts = [inside(times, period) for period in periods]
        assert np.sum(parts, axis=0).max() == 1
        np.testing.assert_array_equal(np.sum(parts, axis=0) == 1, times < split.test.end_us)
        for part, moment in zip(parts, (split.learnt_us, split.learnt_us, split.judged_us), strict=True):
            assert (part & (settled <= moment)).any(), "no period is without an outcome"


def test_the_shares_are_those_asked_for():
    times = np.arange(10_000)
    split = split_by_share(times, times, 9_999, valid=0.1, test=0.2)
    assert [inside(times, part).sum() for part in (split.train, split.valid, split.test)] == [
        7000,
        1000,
        2000,
    ]


def test_a_label_that_settles_late_moves_the_periods_back():
    times = np.arange(10_000)
    split = split_by_share(times, times + 2_500, 9_999, valid=0.1, test=0.2)
    assert split.test == Period(6_000, 7_500)
    assert (inside(times, split.valid) & (times + 2_500 <= split.learnt_us)).sum() == pytest.approx(
        440, abs=5
    )


def test_explicit_moments_are_taken_as_they_are():
    split = split_at(0, 10, 20, 30)
    assert (split.train, split.valid, split.test) == (Period(0, 10), Period(10, 20), Period(20, 30))


@pytest.mark.parametrize("moments", [(0, 0, 20, 30), (0, 20, 10, 30), (0, 10, 20, 20)])
def test_moments_out_of_order_are_refused(moments):
    with pytest.raises(OfflineError, match="one after the other"):
        split_at(*moments)


@pytest.mark.parametrize(
    "shares", [{"valid": 0.5, "test": 0.5}, {"valid": 0.0, "test": 0.2}, {"num_folds": 0}, {"num_folds": 5}]
)
def test_shares_that_leave_nothing_to_learn_from_are_refused(shares):
    with pytest.raises(OfflineError, match="leave trials to learn from"):
        rolling_splits(np.arange(100), np.arange(100), 99, **{"num_folds": 1, **shares})


def test_a_log_in_which_nothing_settled_cannot_be_split():
    with pytest.raises(OfflineError, match="the label's window has passed"):
        split_by_share(np.arange(100), np.arange(100) + 500, 99)


def test_trials_of_a_single_moment_cannot_be_split():
    with pytest.raises(OfflineError, match="log more days"):
        split_by_share(np.full(100, 7), np.full(100, 7), 7)
