"""Who is let in: as many requests as can be answered in time, with as many candidates as there is time for.

Under pressure the funnels narrow first, which costs a little quality and buys capacity. When that is not
enough, a request that would have to wait too long is refused at once: a refusal in a millisecond is worth
more to a client than an answer that comes too late, and a queue that grows without bound helps nobody.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from shortlist.online.problems import Problem

NUM_SLOTS = max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
"""Requests that are worked on at once: more than there are processors only wait for each other."""

MAX_WAITING = 256
MAX_WAIT_SHARE = 0.5
"""Of its budget: a request that would wait longer than this for its turn is refused."""

LATE_SHARE = 0.8
"""Of its budget: an answer that took longer counts as one too many, before the promise is broken."""

MIN_WIDTH_SHARE = 0.2

_MAX_LATE = 0.01  # the declared promise is a p99
_MEMORY = 200  # answers: the span over which the share of late ones is averaged
_TURN_S = 0.1  # between two changes of the width
_NARROWER, _WIDER = 0.85, 1.05
_SERVICE_WEIGHT = 0.05


@dataclass(slots=True)
class Ticket:
    """One request inside: when it came, when its turn came, and how long it may take in all."""

    arrived_s: float
    budget_s: float
    begun_s: float = 0.0


class Admission:
    """The door of a server; used by the event loop's thread only.

    Args:
        num_slots: how many requests may be worked on at once; by default `NUM_SLOTS`.
        clock: the moments that tickets count in, in seconds.
    """

    def __init__(self, num_slots: int | None = None, clock: Callable[[], float] = time.perf_counter) -> None:
        self._num_slots = NUM_SLOTS if num_slots is None else num_slots
        self._clock = clock
        self._num_inside = 0
        self._queue: deque[tuple[Ticket, asyncio.Future[None]]] = deque()
        self._service_s = 0.0
        self._late = 0.0
        self._turned_s = 0.0
        self.width_share = 1.0
        """How much of a funnel's width there is time for, from `MIN_WIDTH_SHARE` to 1."""

    @property
    def num_waiting(self) -> int:
        """How many requests wait for their turn."""
        return len(self._queue)

    async def enter(self, arrived_s: float, budget_ms: float) -> Ticket:
        """Wait for a turn; whoever is let in must `leave`.

        Args:
            arrived_s: when the request came, a moment of the clock.
            budget_ms: what its surface promises.

        Raises:
            Problem: overloaded, at once when the wait would be too long, or when it has become so.
        """
        ticket = Ticket(arrived_s, budget_ms / 1000)
        if self._num_inside < self._num_slots and not self._queue:
            self._num_inside += 1
            ticket.begun_s = self._clock()
            return ticket
        waits_s = (len(self._queue) + 1) * self._service_s
        if len(self._queue) >= MAX_WAITING or waits_s > MAX_WAIT_SHARE * ticket.budget_s * self._num_slots:
            raise self._refused(f"{len(self._queue)} requests wait already.")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (ticket, turn)
        self._queue.append(entry)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._release(self._clock())
            elif entry in self._queue:
                self._queue.remove(entry)
            raise
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Note that a request is answered, and let the next one in."""
        now_s = self._clock()
        service_s = now_s - ticket.begun_s
        self._service_s += _SERVICE_WEIGHT * (service_s - self._service_s)
        self._count(now_s, is_late=now_s - ticket.arrived_s > LATE_SHARE * ticket.budget_s)
        self._release(now_s)

    def _release(self, now_s: float) -> None:
        self._num_inside -= 1
        while self._queue and self._num_inside < self._num_slots:
            ticket, turn = self._queue.popleft()
            if turn.done():
                continue
            if now_s - ticket.arrived_s > MAX_WAIT_SHARE * ticket.budget_s:
                turn.set_exception(self._refused("Its turn did not come in time."))
                continue
            self._num_inside += 1
            ticket.begun_s = now_s
            turn.set_result(None)

    def _refused(self, why: str) -> Problem:
        self._count(self._clock(), is_late=True)
        return Problem("overloaded", why, retry_after="1")

    def _count(self, now_s: float, *, is_late: bool) -> None:
        self._late += (is_late - self._late) / _MEMORY
        if now_s - self._turned_s < _TURN_S:
            return
        if self._late > _MAX_LATE:
            self._turned_s = now_s
            self.width_share = max(MIN_WIDTH_SHARE, self.width_share * _NARROWER)
        elif self._late < _MAX_LATE / 2 and self.width_share < 1.0:
            self._turned_s = now_s
            self.width_share = min(1.0, self.width_share * _WIDER)
