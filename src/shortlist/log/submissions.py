"""What waits for the log's writer, and for how long: the queue between those who append and its thread."""

from __future__ import annotations

import math
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

from shortlist.log.blocks import Block
from shortlist.log.bodies import Encoded
from shortlist.log.errors import LogBusy, LogClosed
from shortlist.log.record import Appended

_MAX_GROUP_EVENTS = 10_000
LINGER_S = 0.05
"""How long a submission may wait for others when nobody waits for it."""


class Submission(NamedTuple):
    """What is kept or refused together; a block is encoded when its turn comes."""

    events: Sequence[Encoded] | Block
    num_events: int
    future: Future[list[Appended]]


class Task(NamedTuple):
    """What is run in the writer thread, with no commit under way."""

    run: Callable[[sqlite3.Connection], Any]
    future: Future[Any]


class Submissions:
    """A queue with a bound. What is not urgent lingers until something urgent comes, or much, or time is up.

    Args:
        max_pending_events: how many events may wait before `submit` refuses.
    """

    def __init__(self, max_pending_events: int) -> None:
        self._max_pending_events = max_pending_events
        self._queue: deque[Submission | Task] = deque()
        self._num_pending = 0
        self._due_s = math.inf
        self._wake = threading.Condition()
        self._closing = False

    def submit(self, events: Sequence[Encoded] | Block, *, is_urgent: bool) -> Future[list[Appended]]:
        """Queue events that are kept or refused together; of a block the receipt is that of its last event.

        Args:
            events: what to keep.
            is_urgent: whether somebody waits for it, and so for all that was queued before.

        Raises:
            LogBusy: when too many events wait.
            LogClosed: after `close`.
        """
        num_events = events.num_events if isinstance(events, Block) else len(events)
        submission = Submission(events, num_events, Future())
        with self._wake:
            if self._num_pending + num_events > self._max_pending_events and self._num_pending:
                raise LogBusy(
                    f"log: {self._num_pending} events wait for the disk, the bound is "
                    f"{self._max_pending_events}. Try again in a moment."
                )
            is_crowded = self._num_pending + num_events > self._max_pending_events // 2
            self._put(submission, time.monotonic() + (0.0 if is_urgent or is_crowded else LINGER_S))
            self._num_pending += num_events
        return submission.future

    def add(self, task: Task) -> None:
        """Queue a task.

        Raises:
            LogClosed: after `close`.
        """
        with self._wake:
            self._put(task, time.monotonic())

    def close(self) -> None:
        """Take nothing more."""
        with self._wake:
            self._closing = True
            self._wake.notify()

    def take(self) -> list[Submission] | Task | None:
        """Wait for work: a task, or all submissions up to the next task or a bound; None at the end."""
        with self._wake:
            while not self._closing and (left_s := self._due_s - time.monotonic()) > 0:
                self._wake.wait(None if math.isinf(left_s) else left_s)
            work = self._taken()
            if not self._queue:
                self._due_s = math.inf
            return work

    def _taken(self) -> list[Submission] | Task | None:
        group: list[Submission] = []
        num_events = 0
        while self._queue and num_events < _MAX_GROUP_EVENTS:
            work = self._queue[0]
            if isinstance(work, Task):
                if group:
                    break
                self._queue.popleft()
                return work
            self._queue.popleft()
            group.append(work)
            num_events += work.num_events
        self._num_pending -= num_events
        return group or None

    def _put(self, work: Submission | Task, due_s: float) -> None:
        if self._closing:
            raise LogClosed("log: it was closed. Open it again to append.")
        self._queue.append(work)
        if due_s < self._due_s:
            self._due_s = due_s
            self._wake.notify()
