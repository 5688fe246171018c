"""The door of the server, in a simulated server whose service takes longer the wider the funnel is."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import numpy as np
import pytest

from online.virtual_time import run
from shortlist import background
from shortlist.online.admission import MAX_WAIT_SHARE, MAX_WAITING, MIN_WIDTH_SHARE, Admission
from shortlist.online.problems import Problem

BUDGET_MS = 10.0
FULL_MS = 2.0  # of service, at full width; a fifth of it does not depend on the width
CAPACITY_RPS = 1000 / FULL_MS  # of one interpreter


@dataclass
class Outcome:
    """What became of the requests of a run."""

    latency_ms: list[float] = field(default_factory=list)
    refused_after_ms: list[float] = field(default_factory=list)
    refusals: set[tuple[int, str]] = field(default_factory=set)
    most_waiting: int = 0
    most_inside: int = 0
    width_share: float = 1.0


class Service:
    """Takes an interpreter, of which there is one, and may wait for another server besides."""

    def __init__(self, seed=0, waits_ms=0.0):
        self._random, self._waits_ms = np.random.default_rng(seed), waits_ms
        self._interpreter, self.num_inside = asyncio.Lock(), 0

    async def __call__(self, width_share):
        self.num_inside += 1
        await asyncio.sleep(self._waits_ms / 1000)
        async with self._interpreter:
            await asyncio.sleep(FULL_MS / 1000 * (0.2 + 0.8 * width_share) * self._random.gamma(16) / 16)
        self.num_inside -= 1


async def offered(admission, service, rate_rps, seconds, budget_ms=BUDGET_MS, seed=0):
    """Offer Poisson arrivals at a rate; serve those who are let in."""
    loop, random, outcome = asyncio.get_running_loop(), np.random.default_rng(seed), Outcome()

    async def one():
        arrived_s = loop.time()
        try:
            ticket = await admission.enter(arrived_s, budget_ms)
        except Problem as problem:
            outcome.refusals.add((problem.status, problem.headers["retry-after"]))
            outcome.refused_after_ms.append(1000 * (loop.time() - arrived_s))
            return
        await service(admission.width_share)
        outcome.most_inside = max(outcome.most_inside, service.num_inside + 1)
        admission.leave(ticket)
        outcome.latency_ms.append(1000 * (loop.time() - arrived_s))
        outcome.most_waiting = max(outcome.most_waiting, admission.num_waiting)

    tasks = []
    until_s = loop.time() + seconds
    while loop.time() < until_s:
        await asyncio.sleep(random.exponential(1 / rate_rps))
        tasks.append(asyncio.create_task(one()))
    await asyncio.gather(*tasks)
    outcome.width_share = admission.width_share
    return outcome


def simulate(*phases, waits_ms=0.0, budget_ms=BUDGET_MS):
    """Offer one rate after the other to one server; return the outcome of each."""

    async def all_of_them():
        admission, service = Admission(asyncio.get_running_loop().time), Service(waits_ms=waits_ms)
        return [await offered(admission, service, *phase, budget_ms) for phase in phases]

    return run(all_of_them())


def test_with_room_for_all_nobody_waits_long_and_nothing_is_narrowed():
    (outcome,) = simulate((0.3 * CAPACITY_RPS, 20))
    assert len(outcome.refused_after_ms) < 0.002 * len(outcome.latency_ms)
    assert outcome.width_share == 1.0
    assert np.percentile(outcome.latency_ms, 99) < BUDGET_MS


@pytest.mark.parametrize(("takes_ms", "is_narrowed"), [(0.95 * BUDGET_MS, False), (1.05 * BUDGET_MS, True)])
def test_what_takes_long_by_itself_is_narrowed_where_the_promise_is_broken(takes_ms, is_narrowed):
    async def scenario():
        loop = asyncio.get_running_loop()
        admission = Admission(loop.time)
        for _ in range(300):
            ticket = await admission.enter(loop.time(), BUDGET_MS)
            await asyncio.sleep(takes_ms / 1000)
            admission.leave(ticket)
        return admission.width_share < 1.0

    assert run(scenario()) == is_narrowed


@pytest.mark.parametrize("times", [1.3, 2.0])
def test_a_little_too_much_is_met_by_narrowing(times):
    warm, outcome = simulate((times * CAPACITY_RPS, 10), (times * CAPACITY_RPS, 20))
    offered = len(outcome.latency_ms) + len(outcome.refused_after_ms)
    assert len(outcome.refused_after_ms) < 0.03 * offered
    assert np.percentile(outcome.latency_ms, 99) < BUDGET_MS
    assert MIN_WIDTH_SHARE <= outcome.width_share < 1.0
    assert warm.width_share < 1.0


def test_ten_times_too_much_is_refused_at_once_and_the_admitted_keep_the_promise():
    warm, outcome = simulate((10 * CAPACITY_RPS, 3), (10 * CAPACITY_RPS, 10))
    assert outcome.width_share == MIN_WIDTH_SHARE
    assert np.percentile(outcome.latency_ms, 99) < BUDGET_MS
    assert outcome.refusals == {(503, "1")}
    goodput_rps = len(outcome.latency_ms) / 10
    assert goodput_rps > CAPACITY_RPS  # narrowed, it does more than at full width
    assert np.percentile(outcome.refused_after_ms, 50) == 0.0
    assert max(outcome.refused_after_ms) <= MAX_WAIT_SHARE * BUDGET_MS + FULL_MS * 4
    assert max(warm.most_waiting, outcome.most_waiting) <= MAX_WAITING


def test_nobody_of_a_chance_clump_is_refused():
    """The fourth comes late, and is one in a hundred."""

    async def scenario():
        loop = asyncio.get_running_loop()
        admission = Admission(loop.time)

        async def one():
            ticket = await admission.enter(loop.time(), BUDGET_MS)
            await asyncio.sleep(1.5 * FULL_MS / 1000)
            admission.leave(ticket)

        for _ in range(20):  # too few for a trial of two at once
            await one()
        await asyncio.gather(*(one() for _ in range(4)))

    run(scenario())


def test_when_the_pressure_is_gone_the_full_width_comes_back():
    _, _, outcome = simulate((10 * CAPACITY_RPS, 3), (0.2 * CAPACITY_RPS, 10), (0.2 * CAPACITY_RPS, 5))
    assert outcome.width_share == 1.0
    assert len(outcome.refused_after_ms) < 0.001 * len(outcome.latency_ms)


def test_a_client_that_goes_away_while_it_waits_gives_its_turn_on():
    async def scenario():
        admission = Admission(asyncio.get_running_loop().time)
        first = await admission.enter(0.0, BUDGET_MS)
        leaving = asyncio.create_task(admission.enter(0.0, BUDGET_MS))
        staying = asyncio.create_task(admission.enter(0.0, BUDGET_MS))
        await asyncio.sleep(0)
        assert admission.num_waiting == 2
        leaving.cancel()
        await asyncio.sleep(0)
        admission.leave(first)
        admission.leave(await staying)
        last = await admission.enter(0.0, BUDGET_MS)
        admission.leave(last)
        return admission.num_waiting

    assert run(scenario()) == 0


def test_a_client_that_goes_away_in_its_turn_gives_it_on():
    async def scenario():
        admission = Admission(asyncio.get_running_loop().time)
        first = await admission.enter(0.0, BUDGET_MS)
        leaving = asyncio.create_task(admission.enter(0.0, BUDGET_MS))
        staying = asyncio.create_task(admission.enter(0.0, BUDGET_MS))
        await asyncio.sleep(0)
        admission.leave(first)  # its turn has come, but it has not run yet
        leaving.cancel()
        admission.leave(await asyncio.wait_for(staying, 1))

    run(scenario())


@pytest.mark.parametrize(
    "scenario",
    [
        test_a_client_that_goes_away_while_it_waits_gives_its_turn_on,
        test_a_client_that_goes_away_in_its_turn_gives_it_on,
        test_ten_times_too_much_is_refused_at_once_and_the_admitted_keep_the_promise,
    ],
)
def test_what_may_wait_goes_on_when_all_are_answered_refused_or_gone(scenario, monkeypatch):
    monkeypatch.setattr(background, "LONGEST_WAIT_S", 60.0)
    scenario()
    started_s = time.monotonic()
    with background.in_background():
        time.sleep(0.001)
        background.give_way()
    assert time.monotonic() - started_s < 30


def test_one_interpreter_is_given_little_more_than_one_request_at_once():
    _, outcome = simulate((10 * CAPACITY_RPS, 3), (10 * CAPACITY_RPS, 10))
    assert outcome.most_inside <= 3  # one, one more on trial, and one that is slow


def test_where_stages_wait_for_others_more_are_worked_on_at_once():
    waits_ms = 20.0
    alone_rps = 1000 / (waits_ms + FULL_MS)
    _, outcome = simulate((5 * alone_rps, 20), (5 * alone_rps, 10), waits_ms=waits_ms, budget_ms=100.0)
    assert len(outcome.latency_ms) / 10 > 4.5 * alone_rps
    assert outcome.most_inside > 4
    assert np.percentile(outcome.latency_ms, 99) < 100.0


def test_nobody_waits_long_for_one_that_is_stuck():
    async def scenario():
        loop = asyncio.get_running_loop()
        admission = Admission(loop.time)
        for _ in range(20):  # what is usual
            ticket = await admission.enter(loop.time(), BUDGET_MS)
            await asyncio.sleep(FULL_MS / 1000)
            admission.leave(ticket)
        stuck = await admission.enter(loop.time(), BUDGET_MS)
        waited_ms = []
        for _ in range(3):
            came_s = loop.time()
            ticket = await admission.enter(came_s, BUDGET_MS)
            waited_ms.append(1000 * (loop.time() - came_s))
            await asyncio.sleep(FULL_MS / 1000)
            admission.leave(ticket)
        admission.leave(stuck)
        return waited_ms

    first_ms, *later_ms = run(scenario())
    assert FULL_MS < first_ms < MAX_WAIT_SHARE * BUDGET_MS
    assert later_ms == [0.0, 0.0]
