"""A request ends once, and a lane that was left behind opens again, whoever comes in between."""

from __future__ import annotations

import threading
import time

import numpy as np

from pipeline.misbehaving import FixedSource, Gate, HangingReranker
from pipeline.test_crew import soon
from pipeline.workshop import workshop
from shortlist.pipeline.crew import Lane
from shortlist.pipeline.leg import Hold, Leg


class LateLock:
    """A lock after whose release one thread is made to wait, as a busy machine may."""

    def __init__(self, then):
        self._lock, self._then, self._thread = threading.Lock(), then, threading.current_thread()

    def acquire(self):
        return self._lock.acquire()

    def release(self):
        self._lock.release()

    def __enter__(self):
        self._lock.acquire()

    def __exit__(self, *error):
        self._lock.release()
        if threading.current_thread() is self._thread:
            self._then()


def test_it_ends_once_when_the_worker_ends_while_the_watcher_looks():
    gate, ended = Gate(), []
    shop = workshop(lambda town: [FixedSource((1, 2, 3)), HangingReranker(gate)])

    def worker_ends():
        gate.is_open.set()
        assert soon(lambda: ended)

    passage = shop.funnel.start(shop.query(), ended.append, budget_ms=60_000.0)
    assert soon(lambda: gate.arrivals)
    passage._due_s = time.perf_counter()  # as when the timer of an earlier deadline comes
    passage._hold.lock = LateLock(worker_ends)
    passage.overdue()
    assert len(ended) == 1
    assert sorted(ended[0].items.tolist()) == [1, 2, 3]
    assert not passage.overdue()
    assert len(ended) == 1


def test_a_worker_that_has_come_back_cannot_be_left_behind():
    hold, lane = Hold(), Lane()
    leg = hold.leg = Leg(hold)
    leg.enter(lane)
    leg.came_back()
    assert leg.place is None
    assert lane.is_open


def test_one_that_was_left_behind_opens_its_lane_when_it_comes_back():
    hold, lane = Hold(), Lane()
    leg = hold.leg = Leg(hold)
    leg.enter(lane)
    with hold.lock:
        leg.leave_behind()
    assert not lane.is_open
    leg.came_back()
    assert lane.is_open


def test_all_sources_that_hang_when_the_request_ends_are_asked_no_more():
    from pipeline.misbehaving import HangingSource

    gate = Gate()
    shop = workshop(
        lambda town: [HangingSource(gate), HangingSource(gate, holds_lock=False), FixedSource((7, 8))],
        p99_ms=400.0,
    )
    for _ in range(5):
        answer = shop.funnel.recommend(shop.query())
        assert set(answer.items.tolist()) <= {7, 8}
    assert len(gate.arrivals) == 2
    gate.is_open.set()
    assert soon(lambda: not shop.funnel.recommend(shop.query()).degraded)
    assert np.isin([7, 8], shop.funnel.recommend(shop.query()).items).all()
