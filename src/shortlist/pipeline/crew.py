"""Threads that do a funnel's work, so that the thread that answers can stop waiting for it.

Python cannot stop a thread. What it can do is to leave a late one behind and to send no more work
the same way until that one has come back: then a stage that hangs costs the threads of the calls
that were under way when it began to hang, and never one more.
"""

from __future__ import annotations

import math
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Generic, TypeVar

from shortlist.pipeline.deadline import time_left_s

T = TypeVar("T")

CLOSED = "skipped: still busy with an earlier request"
NO_TIME = "skipped: no time was left"


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What came of a piece of work: its value, or in words why there is none."""

    value: T | None
    trouble: str | None
    elapsed_ms: float


class Lane:
    """The way to a stage, or to a phase of several: closed while a call left behind there is still out."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._num_hanging = 0

    @property
    def is_open(self) -> bool:
        """Whether work may be sent this way."""
        return self._num_hanging == 0

    def count(self, change: int) -> None:
        """Note that a call was left behind here (1), or has come back (-1)."""
        with self._lock:
            self._num_hanging += change


class Call(Generic[T]):
    """One piece of work under way."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._done = threading.Lock()
        self._done.acquire()
        self._turning = threading.Lock()  # a call turns once: finished, or left behind
        self._is_finished = False
        self._left_on: Lane | None = None
        self._value: T | None = None
        self._error: BaseException | None = None
        self._ended_s = math.nan
        self.started_s = time.perf_counter()

    def run(self) -> None:
        """Do the work; called on a thread of the crew."""
        try:
            self._value = self._work()
        except BaseException as error:  # whatever a stage throws, even SystemExit, is the stage's trouble
            self._error = error
        self._ended_s = time.perf_counter()
        with self._turning:
            self._is_finished = True
            if self._left_on is not None:
                self._left_on.count(-1)
        self._done.release()

    def wait(self, deadline_s: float) -> bool:
        """Wait until the deadline at most and tell whether the work is finished; may be asked again."""
        left_s = time_left_s(deadline_s)
        if not self._done.acquire(timeout=-1 if math.isinf(left_s) else left_s):
            return False
        self._done.release()
        return True

    def leave(self, lane: Lane) -> None:
        """Leave the work behind, which closes the lane until it has come back."""
        with self._turning:
            if not self._is_finished:
                self._left_on = lane
                lane.count(1)

    @property
    def is_left(self) -> bool:
        """Whether nobody waits for it any more."""
        return self._left_on is not None

    def outcome(self) -> Outcome[T]:
        """Say what came of finished work."""
        assert self._is_finished
        elapsed_ms = 1000 * (self._ended_s - self.started_s)
        return Outcome(self._value, None if self._error is None else told(self._error), elapsed_ms)


class _Idle:
    """The workers that wait for a call, the last one to have worked last."""

    def __init__(self) -> None:
        self.workers: list[SimpleQueue[Callable[[], None] | None]] = []
        self.is_dismissed = False

    def dismiss(self) -> None:
        """Tell all of them to leave, and those who come later."""
        self.is_dismissed = True
        while self.workers:
            self.workers.pop().put(None)


class Crew:
    """A pool of daemon threads that grows to the calls under way at once, and ends with its owner.

    The thread that worked last works next: it is the one that a processor still knows.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._idle = _Idle()
        # Workers hold the list, not the crew: once nobody can send work they are told to leave.
        weakref.finalize(self, self._idle.dismiss)

    def start(self, work: Callable[[], T]) -> Call[T]:
        """Start a piece of work on an idle thread, or on a new one when none is idle."""
        call = Call(work)
        try:
            calls = self._idle.workers.pop()
        except IndexError:
            calls = SimpleQueue()
            worker = threading.Thread(
                target=_work, args=(calls, self._idle), name=f"{self._name}-worker", daemon=True
            )
            worker.start()
        calls.put(call.run)
        return call


def _work(calls: SimpleQueue[Callable[[], None] | None], idle: _Idle) -> None:
    while (run := calls.get()) is not None:
        run()
        del run  # an idle thread must keep nothing of the last request alive
        idle.workers.append(calls)
        if idle.is_dismissed:
            idle.dismiss()


def told(error: BaseException) -> str:
    """Say in words what was thrown."""
    return f"failed: {type(error).__name__}: {error}".rstrip(": ")


def late(started_s: float) -> str:
    """Say in words how long was waited in vain."""
    return f"late after {1000 * (time.perf_counter() - started_s):.0f} ms"
