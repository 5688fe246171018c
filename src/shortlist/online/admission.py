"""Who is let in: as many requests as can be answered in time, with as many candidates as there is time for.

Under pressure the funnels narrow first, which costs a little quality and buys capacity. When that is not
enough, a request that would have to wait too long is refused at once: a refusal in a millisecond is worth
more to a client than an answer that comes too late, and a queue that grows without bound helps nobody.

The promise is a p99. While fewer than one request in a hundred meets with trouble, those of a chance clump
may wait as long as their budget lasts: an answer that is a little late, or degraded, is better than none.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from shortlist.background import request_began, request_ended
from shortlist.online.problems import Problem
from shortlist.online.turns import Turns

MAX_WAITING = 256
MAX_INSIDE = 64
"""Requests that are worked on at once, stuck ones and all: each has a thread."""

MAX_WAIT_SHARE = 0.5
"""Of its budget: where the promise is in danger, a request that would wait longer for its turn is refused."""

LATE_SHARE = 0.8
"""Of its budget: an answer that had to wait, and took longer, counts as late before the promise is broken.
One that took as long by itself does not: what is rare, or the machine's doing, no narrower funnel mends."""

MIN_WIDTH_SHARE = 0.2

_MAX_LATE = 0.01  # the declared promise is a p99
_MEMORY = 200  # answers: the span over which the share of late ones is averaged
_TURN_S = 0.1  # between two changes of the width
_NARROWER, _WIDER = 0.85, 1.05
_SERVICE_WEIGHT = 0.05
_WAITED_SHARE = 0.05  # of its budget: a request that waited so long for its turn shows that there are many
_STUCK = 3.0  # times as long as usual
_STUCK_SHARE = 0.4  # of its budget, so that who waits behind it still has time


@dataclass(eq=False, slots=True)
class Ticket:
    """One request inside: when it came, when its turn came, how long it may take, and wait, in all."""

    arrived_s: float
    budget_s: float
    may_wait_s: float
    begun_s: float = 0.0


class Admission:
    """The door of a server; used by the event loop's thread only.

    `Turns` says how many requests are worked on at once. One that takes much longer than usual is stuck in a
    stage, and does not keep the others waiting.

    Args:
        clock: the moments that tickets count in, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._turns = Turns()
        self._inside: list[Ticket] = []
        self._queue: deque[tuple[Ticket, asyncio.Future[None]]] = deque()
        self._alarm: asyncio.TimerHandle | None = None
        self._service_s = 0.0
        self._late = self._broken = 0.0
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
        budget_s, now_s = budget_ms / 1000, self._clock()
        may_wait_s = budget_s * (1.0 if self._broken < _MAX_LATE else MAX_WAIT_SHARE)
        ticket = Ticket(arrived_s, budget_s, may_wait_s)
        if not self._queue and self._has_room(now_s):
            self._begin(ticket, now_s)
            return ticket
        # Of what is under way, half is left on average.
        waits_s = (len(self._queue) + 0.5) * self._service_s
        if len(self._queue) >= MAX_WAITING or waits_s > may_wait_s * self._turns.num:
            raise self._refused(f"{len(self._queue)} requests wait already.")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (ticket, turn)
        self._queue.append(entry)
        self._set_alarm(now_s)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._end(ticket, self._clock())
            elif entry in self._queue:
                self._queue.remove(entry)
            raise
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Note that a request is answered, and let the next one in."""
        now_s = self._clock()
        service_s = now_s - ticket.begun_s
        self._service_s += (_SERVICE_WEIGHT if self._service_s else 1.0) * (service_s - self._service_s)
        took_s, waited_s = now_s - ticket.arrived_s, ticket.begun_s - ticket.arrived_s
        is_broken = took_s > ticket.budget_s
        is_near = took_s > LATE_SHARE * ticket.budget_s and waited_s > _WAITED_SHARE * ticket.budget_s
        self._count(is_late=is_broken or is_near, is_broken=is_broken)
        self._end(ticket, now_s)

    def _begin(self, ticket: Ticket, now_s: float) -> None:
        ticket.begun_s = now_s
        self._inside.append(ticket)
        self._turns.entered(now_s)
        request_began()

    def _end(self, ticket: Ticket, now_s: float) -> None:
        self._inside.remove(ticket)
        self._turns.left(now_s)
        try:
            self._let_in()
        finally:  # so that what may wait does not begin between two requests
            request_ended()

    def _has_room(self, now_s: float) -> bool:
        num_at_work = sum(now_s < self._stuck_from_s(one) for one in self._inside)
        return num_at_work < self._turns.num and len(self._inside) < MAX_INSIDE

    def _stuck_from_s(self, ticket: Ticket) -> float:
        usual_s = self._service_s or math.inf
        return ticket.begun_s + min(_STUCK * usual_s, _STUCK_SHARE * ticket.budget_s)

    def _let_in(self) -> None:
        now_s = self._clock()
        while self._queue and self._has_room(now_s):
            ticket, turn = self._queue.popleft()
            if turn.done():
                continue
            if now_s - ticket.arrived_s > ticket.may_wait_s:
                turn.set_exception(self._refused("Its turn did not come in time."))
                continue
            self._begin(ticket, now_s)
            turn.set_result(None)
        self._set_alarm(now_s)

    def _set_alarm(self, now_s: float) -> None:
        """See to it that who waits is let in when somebody inside turns out to be stuck."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        stuck_from_s = [at_s for one in self._inside if (at_s := self._stuck_from_s(one)) > now_s]
        if self._queue and stuck_from_s:
            loop = asyncio.get_running_loop()
            self._alarm = loop.call_later(min(stuck_from_s) - now_s, self._let_in)

    def _refused(self, why: str) -> Problem:
        self._count(is_late=True, is_broken=True)
        return Problem("overloaded", why, retry_after="1")

    def _count(self, *, is_late: bool, is_broken: bool) -> None:
        self._late += (is_late - self._late) / _MEMORY
        self._broken += (is_broken - self._broken) / _MEMORY
        now_s = self._clock()
        if now_s - self._turned_s < _TURN_S:
            return
        if is_late and self._late > _MAX_LATE:
            self._turned_s = now_s
            self.width_share = max(MIN_WIDTH_SHARE, self.width_share * _NARROWER)
        elif self._late < _MAX_LATE / 2 and self.width_share < 1.0:
            self._turned_s = now_s
            self.width_share = min(1.0, self.width_share * _WIDER)
