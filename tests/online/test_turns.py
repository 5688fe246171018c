"""How many at once: it finds what answers most, at any load, and follows when that changes."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from shortlist.online.turns import MOST, Turns


class Queue:
    """Requests that come at random, and are worked on as soon as they are allowed to be."""

    def __init__(self, turns, seed=0):
        self.turns, self.now_s = turns, 0.0
        self._random = np.random.default_rng(seed)
        self._num_waiting, self._work = 0, []

    def serve(self, num_answers, load_rps, rate_rps):
        """Give so many answers, so many a second of so many at work; return how long so many were."""
        seconds_of, arrives_in_s = Counter(), 0.0
        while num_answers:
            num_inside = len(self._work)
            each_rps = rate_rps(num_inside) / num_inside if num_inside else 1.0
            leaves_in_s = min(self._work, default=math.inf) / each_rps
            elapsed_s = min(leaves_in_s, arrives_in_s)
            seconds_of[num_inside] += elapsed_s
            self.now_s += elapsed_s
            self._work = [left - elapsed_s * each_rps for left in self._work]
            arrives_in_s -= elapsed_s
            if arrives_in_s <= 0:
                self._num_waiting = min(self._num_waiting + 1, 100)
                arrives_in_s = self._random.exponential(1 / load_rps)
            else:
                self._work.remove(min(self._work))
                self.turns.left(self.now_s)
                num_answers -= 1
            while self._num_waiting and len(self._work) < self.turns.num:
                self._num_waiting -= 1
                self._work.append(self._random.gamma(9) / 9)
                self.turns.entered(self.now_s)
            assert 1 <= self.turns.num <= MOST
        return seconds_of


def one_interpreter(num):
    return 100.0


def each_for_itself(num):
    return 100.0 * num


@pytest.mark.parametrize("load_rps", [20.0, 70.0, 500.0])
def test_where_more_at_once_gain_nothing_it_stays_with_one(load_rps):
    queue = Queue(Turns())
    queue.serve(1000, load_rps, one_interpreter)
    seconds_of = queue.serve(20_000, load_rps, one_interpreter)
    at_work_s = sum(seconds for num, seconds in seconds_of.items() if num)
    assert sum(seconds for num, seconds in seconds_of.items() if num > 1) < 0.1 * at_work_s


@pytest.mark.parametrize("knee", [2, 3, 5, 9, 16, MOST])
def test_where_each_one_more_answers_more_it_climbs_as_far_as_that_goes(knee):
    turns = Turns()
    Queue(turns).serve(5_000, 5000.0, lambda num: 100.0 * min(num, knee))
    assert knee / 2 <= turns.num <= 2 * knee


def test_it_needs_no_overload_to_find_out():
    turns = Turns()
    Queue(turns).serve(5_000, 60.0, each_for_itself)
    assert turns.num > 1


def test_it_comes_down_again_when_they_only_wait_for_each_other():
    turns = Turns()
    queue = Queue(turns)
    queue.serve(5_000, 5000.0, each_for_itself)
    assert turns.num > 8
    queue.serve(30_000, 500.0, one_interpreter)
    assert turns.num <= 2
