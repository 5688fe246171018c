"""Threads that are waited for, left behind, and never piled up."""

from __future__ import annotations

import gc
import math
import threading
import time

import pytest

from pipeline.misbehaving import Broken, Gate
from shortlist.pipeline.crew import Crew, Lane, finished


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
    outcome = Lane(Crew("value")).attempt(lambda: 42, math.inf)
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

    lane = Lane(Crew("error"))
    assert lane.attempt(work, math.inf).trouble == says
    assert lane.attempt(lambda: 1, math.inf).value == 1


def test_a_late_call_is_left_behind_and_its_lane_closed_until_it_comes_back(gate):
    lane = Lane(Crew("late"))
    late = lane.attempt(gate.wait, time.perf_counter() + 0.02)
    assert late.value is None
    assert late.trouble.startswith("late after ")
    for _ in range(20):
        skipped = lane.attempt(gate.wait, math.inf)
        assert skipped.trouble == "skipped: still busy with an earlier request"
    assert len(gate.arrivals) == 1
    assert len(workers("late")) == 1
    gate.is_open.set()
    assert soon(lambda: lane.attempt(lambda: "back", math.inf).value == "back")


def test_a_deadline_that_has_passed_still_takes_what_is_there():
    lane = Lane(Crew("passed"))
    call = lane.start(lambda: 5)
    assert soon(lambda: call.is_finished)
    time.sleep(0.05)
    assert finished(call, time.perf_counter() - 1).value == 5


def test_calls_under_way_at_once_each_have_a_thread(gate):
    crew = Crew("side")
    calls = [Lane(crew).start(gate.wait) for _ in range(5)]
    assert soon(lambda: len(gate.arrivals) == 5)
    assert len(set(map(id, workers("side")))) == 5
    gate.is_open.set()
    assert [finished(call, math.inf).trouble for call in calls] == [None] * 5


def test_one_after_the_other_they_share_threads():
    crew = Crew("shared")
    lane = Lane(crew)
    for number in range(300):
        assert lane.attempt(lambda number=number: number, math.inf).value == number
    # A worker counts itself idle just after its answer, so now and then a second one is begun.
    assert len(workers("shared")) <= 4


def test_threads_leave_when_nobody_holds_the_crew():
    crew = Crew("leaving")
    lanes = [Lane(crew) for _ in range(4)]
    for call in [lane.start(lambda: time.sleep(0.01)) for lane in lanes]:
        finished(call, math.inf)
    assert workers("leaving")
    del crew, lanes, call
    gc.collect()
    assert soon(lambda: not workers("leaving"))
