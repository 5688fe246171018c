"""How many at once: it finds what answers most, from any number, and follows when that changes."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.online.turns import MOST, Turns


def drive(turns, rate_of, num_answers, *, start_s=0.0, seed=0, others_wait=lambda: True):
    """Answer so many, each after the time that the rate of so many at once leaves; return the last moment."""
    random, now_s = np.random.default_rng(seed), start_s
    for _ in range(num_answers):
        now_s += random.gamma(16) / 16 / rate_of(turns.num)
        turns.answered(now_s, others_wait=others_wait())
        assert 1 <= turns.num <= MOST
    return now_s


def test_where_more_at_once_gain_nothing_it_stays_with_one():
    turns, nums = Turns(), []

    def rate_rps(num):
        nums.append(num)
        return 100.0

    drive(turns, rate_rps, 20_000)
    assert max(nums) == 2
    assert nums.count(2) / len(nums) < 0.02


@settings(max_examples=20, deadline=None)
@given(st.integers(2, MOST), st.integers(0, 100))
def test_where_each_one_more_answers_more_it_climbs_as_far_as_that_goes(knee, seed):
    turns = Turns()
    drive(turns, lambda num: 100.0 * min(num, knee), 6_000, seed=seed)
    assert knee / 1.6 <= turns.num <= 1.6 * knee


def test_it_comes_down_again_when_they_only_wait_for_each_other():
    turns = Turns()
    now_s = drive(turns, lambda num: 100.0 * num, 5_000)
    assert turns.num > 8
    drive(turns, lambda num: 100.0, 100_000, start_s=now_s)
    assert turns.num <= 2


def test_without_others_waiting_nothing_is_tried():
    turns = Turns()
    drive(turns, lambda num: 100.0 * num, 5_000, others_wait=lambda: False)
    assert turns.num == 1


def test_a_trial_that_ends_with_the_queue_is_made_another_time():
    turns = Turns()
    now_s = 0.0
    while turns.num == 1:
        now_s = drive(turns, lambda num: 100.0 * num, 1, start_s=now_s)
    drive(turns, lambda num: 100.0 * num, 1, start_s=now_s, others_wait=lambda: False)
    assert turns.num == 1
    drive(turns, lambda num: 100.0 * num, 5_000, start_s=now_s)
    assert turns.num > 8
