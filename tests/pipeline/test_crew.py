"""Threads that are waited for, left behind, and never piled up."""

from __future__ import annotations

import gc
import math
import threading
import time

import pytest

from pipeline.misbehaving import Broken, Gate
from shortlist.pipeline.crew import Crew, Lane


def soon(is_so, within_s=20.0):
    """Wait until something is so."""
    until = time.monotonic() + within_s
    while not is_so() and time.monotonic() < until:
        time.sleep(0.002)
    return is_so()


def workers(name):
    return [thread for thread in threading.enumerate() if thread.name == f"{name}-worker"]


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    gate.is_open.set()


def test_a_value_comes_back():
    call = Crew("value").start(lambda: 42)
    assert call.wait(math.inf)
    assert call.wait(math.inf)  # and may be asked again
    outcome = call.outcome()
    assert (outcome.value, outcome.trouble) == (42, None)
    assert 0 <= outcome.elapsed_ms < 20_000


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (Broken("no index"), "failed: Broken: no index"),
        (KeyError(), "failed: KeyError"),
        (SystemExit(3), "failed: SystemExit: 3"),
    ],
)
def test_whatever_is_thrown_is_told(error, says):
    def work():
        raise error

    crew = Crew("error")
    call = crew.start(work)
    assert call.wait(math.inf)
    assert call.outcome().trouble == says
    call = crew.start(lambda: 1)
    assert call.wait(math.inf)
    assert call.outcome().value == 1


def test_a_call_left_behind_closes_its_lane_until_it_comes_back(gate):
    crew, lane = Crew("late"), Lane()
    calls = [crew.start(gate.wait) for _ in range(3)]
    for call in calls:
        assert not call.wait(time.perf_counter() + 0.01)
        assert lane.is_open == (call is calls[0])
        call.leave(lane)
        assert call.is_left
    assert not lane.is_open
    gate.is_open.set()
    assert all(call.wait(math.inf) for call in calls)
    assert lane.is_open


def test_leaving_what_has_just_finished_closes_nothing():
    lane = Lane()
    call = Crew("just").start(lambda: 5)
    assert call.wait(math.inf)
    call.leave(lane)
    assert lane.is_open
    assert not call.is_left


def test_a_deadline_that_has_passed_still_takes_what_is_there():
    call = Crew("passed").start(lambda: 5)
    assert call.wait(math.inf)
    assert call.wait(time.perf_counter() - 1)


def test_calls_under_way_at_once_each_have_a_thread(gate):
    crew = Crew("side")
    calls = [crew.start(gate.wait) for _ in range(5)]
    assert soon(lambda: len(gate.arrivals) == 5)
    assert len(workers("side")) == 5
    gate.is_open.set()
    assert all(call.wait(math.inf) for call in calls)


def test_one_after_the_other_they_share_threads():
    crew = Crew("shared")
    for number in range(300):
        call = crew.start(lambda number=number: number)
        assert call.wait(math.inf)
        assert call.outcome().value == number
    # A worker counts itself idle just after its answer, so now and then a second one is begun.
    assert len(workers("shared")) <= 4


def test_threads_leave_when_nobody_holds_the_crew():
    crew = Crew("leaving")
    calls = [crew.start(lambda: time.sleep(0.01)) for _ in range(4)]
    assert all(call.wait(math.inf) for call in calls)
    assert workers("leaving")
    del crew
    gc.collect()
    assert soon(lambda: not workers("leaving"))
