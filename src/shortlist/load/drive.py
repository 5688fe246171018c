"""The open loop: sends what is due when it is due, whether or not earlier answers are back.

A latency counts from the moment a request was due, so the time it waited for the generator or for a free
connection counts too (Tene's coordinated omission). How late the generator itself was is measured apart:
where that is much, the figures are the generator's and not the server's.
"""

from __future__ import annotations

import gc
import select
import selectors
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from shortlist.load.arrivals import Schedule
from shortlist.load.connection import Address, Connection, ConnectionBroken
from shortlist.load.histogram import Histogram
from shortlist.load.requests import Requests
from shortlist.load.tally import TIMEOUT, Tally

_START_IN_S = 0.05


@dataclass
class Outcome:
    """What a drive gave.

    Attributes:
        requests: the fate of the requests for a slate that were due after the warm-up.
        events: the same of the events.
        seconds: the requests again, by the second, since the warm-up, in which their fate was known.
        lateness: how late the generator noticed what was due, ms.
        num_waited: how many found no free connection.
        num_sent: requests in all, the warm-up's too.
        num_events_sent: events in all, the warm-up's too.
        elapsed_s: from the end of the warm-up to the last answer.
        cpu_s: processor seconds of this process, the warm-up included.
    """

    requests: Tally = field(default_factory=Tally)
    events: Tally = field(default_factory=Tally)
    seconds: list[Tally] = field(default_factory=list)
    lateness: Histogram = field(default_factory=Histogram)
    num_waited: int = 0
    num_sent: int = 0
    num_events_sent: int = 0
    elapsed_s: float = 0.0
    cpu_s: float = 0.0


def drive(
    address: Address,
    schedule: Schedule,
    requests: Requests,
    *,
    warm_up_s: float,
    timeout_s: float,
    num_connections: int,
    tell: Callable[[float, Tally], None] | None = None,
) -> Outcome:
    """Send a schedule and count what comes back; one thread, no request waits for another's answer.

    Args:
        address: of the server.
        schedule: what is due when, the warm-up included.
        requests: makes what is sent.
        warm_up_s: what is due earlier is sent, but not counted.
        timeout_s: a request without an answer this long after it was due is given up, sent or not.
        num_connections: how many requests may be under way at once; the next ones wait.
        tell: called once a second with the seconds since the start and that second's requests.
    """
    run = _Drive(address, schedule, requests, warm_up_s, timeout_s, num_connections, tell)
    gc.collect()
    gc.disable()  # a collection amid the load would make the generator late
    began_s = time.process_time()
    try:
        outcome = run.run()
        outcome.cpu_s = time.process_time() - began_s
        return outcome
    finally:
        gc.enable()
        run.close()


class _Drive:
    def __init__(
        self,
        address: Address,
        schedule: Schedule,
        requests: Requests,
        warm_up_s: float,
        timeout_s: float,
        num_connections: int,
        tell: Callable[[float, Tally], None] | None,
    ) -> None:
        self._due_s: list[float] = schedule.due_s.tolist()
        self._is_event: list[bool] = schedule.is_event.tolist()
        self._requests, self._tell = requests, tell
        self._warm_up_s, self._timeout_s = warm_up_s, timeout_s
        # Taken in turn: a server of several processes is then asked evenly.
        self._free = deque(Connection(address) for _ in range(num_connections))
        self._under_way: dict[Connection, int] = {}  # which arrival; oldest first, for sends are in order
        self._selector = selectors.DefaultSelector()
        self._outcome = Outcome()
        self._second = Tally()
        self._told_s = 0.0
        self._zero_s = 0.0

    def run(self) -> Outcome:
        due_s, outcome = self._due_s, self._outcome
        self._zero_s = time.perf_counter() + _START_IN_S
        num_noticed = num_sent = 0
        while num_sent < len(due_s) or self._under_way:
            now_s, num_before = self._now_s(), num_noticed
            while num_noticed < len(due_s) and due_s[num_noticed] <= now_s:
                if due_s[num_noticed] >= self._warm_up_s:
                    outcome.lateness.add(1000 * (now_s - due_s[num_noticed]))
                num_noticed += 1
            while num_sent < num_noticed and (
                self._free or self._now_s() - due_s[num_sent] >= self._timeout_s
            ):
                self._send(num_sent)
                num_sent += 1
            outcome.num_waited += num_noticed - max(num_sent, num_before)
            self._give_up_the_late()
            self._tell_of_the_second()
            self._wait(num_sent, num_noticed)
        outcome.elapsed_s = max(0.0, self._now_s() - self._warm_up_s)
        self._tell_of_the_second(is_last=True)
        return outcome

    def close(self) -> None:
        for connection in (*self._free, *self._under_way):
            connection.close()
        self._selector.close()

    def _now_s(self) -> float:
        return time.perf_counter() - self._zero_s

    def _send(self, number: int) -> None:
        if self._now_s() - self._due_s[number] >= self._timeout_s:
            self._failed(number, TIMEOUT)
            return
        is_event = self._is_event[number]
        self._outcome.num_events_sent += is_event
        self._outcome.num_sent += not is_event
        message = self._requests.event() if is_event else self._requests.recommend()
        connection = self._free.popleft()
        if connection.is_open and connection.is_spent:
            self._drop(connection)
        is_new = not connection.is_open
        self._under_way[connection] = number
        try:
            connection.send(message)
        except ConnectionBroken as broken:
            self._drop(connection)
            self._failed(number, str(broken))
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.wants_to_write else 0)
        if is_new:
            self._selector.register(connection, events, connection)
        elif connection.wants_to_write:
            self._selector.modify(connection, events, connection)

    def _wait(self, num_sent: int, num_noticed: int) -> None:
        """Sleep until something came or is due, then read it.

        A selector's own timeout is in whole milliseconds; `select` over the selector is exact.
        """
        wake_s = self._told_s + 1.0
        if num_noticed < len(self._due_s):
            wake_s = min(wake_s, self._due_s[num_noticed])
        if self._under_way:
            wake_s = min(wake_s, self._due_s[next(iter(self._under_way.values()))] + self._timeout_s)
        if num_sent < num_noticed:
            wake_s = min(wake_s, self._due_s[num_sent] + self._timeout_s)
        select.select([self._selector], [], [], max(0.0, wake_s - self._now_s()))
        for key, _ in self._selector.select(0):
            self._attend(key.data)

    def _attend(self, connection: Connection) -> None:
        number = self._under_way.get(connection)
        if number is None:  # an idle one was closed
            self._drop(connection)
            return
        try:
            if connection.wants_to_write:
                connection.flush()
                if not connection.wants_to_write:
                    self._selector.modify(connection, selectors.EVENT_READ, connection)
                return
            answer = connection.read()
        except ConnectionBroken as broken:
            self._drop(connection)
            self._failed(number, str(broken))
            return
        if answer is None:
            return
        self._release(connection)
        due_s = self._due_s[number]
        if due_s >= self._warm_up_s:
            self._tally(number).answer(answer, 1000 * (self._now_s() - due_s))

    def _give_up_the_late(self) -> None:
        while self._under_way:
            connection, number = next(iter(self._under_way.items()))
            if self._now_s() - self._due_s[number] < self._timeout_s:
                return
            self._drop(connection)  # what it may still say belongs to nobody
            self._failed(number, TIMEOUT)

    def _failed(self, number: int, reason: str) -> None:
        if self._due_s[number] >= self._warm_up_s:
            self._tally(number).failure(reason)

    def _tally(self, number: int) -> Tally:
        return self._outcome.events if self._is_event[number] else self._second

    def _tell_of_the_second(self, *, is_last: bool = False) -> None:
        now_s = self._now_s()
        if now_s < self._told_s + 1.0 and not is_last:
            return
        self._told_s = now_s if is_last else self._told_s + int(now_s - self._told_s)
        second, self._second = self._second, Tally()
        if self._told_s > self._warm_up_s and (second.num or not is_last):
            self._outcome.seconds.append(second)
        self._outcome.requests.merge(second)
        if self._tell is not None and not is_last:  # a part of a second would look like a bad one
            self._tell(now_s, second)

    def _release(self, connection: Connection) -> None:
        if self._under_way.pop(connection, None) is not None:
            self._free.append(connection)

    def _drop(self, connection: Connection) -> None:
        """Close a connection, and let it be used again."""
        if connection.is_open and connection.fileno() in self._selector.get_map():
            self._selector.unregister(connection)
        connection.close()
        self._release(connection)
