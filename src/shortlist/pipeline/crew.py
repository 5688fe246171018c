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


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What came of a piece of work: its value, or in words why there is none."""

    value: T | None
    trouble: str | None
    elapsed_ms: float


class Crew:
    """A pool of daemon threads that grows to the calls under way at once, and ends with its owner."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        # Workers hold the queue, not the crew: once nobody can send work they are told to leave.
        weakref.finalize(self, self._calls.put, None)

    def send(self, call: Callable[[], None]) -> None:
        """Run a call on an idle thread, or on a new one when none is idle. The call must not raise."""
        self._calls.put(call)
        if not self._idle.acquire(blocking=False):
            worker = threading.Thread(
                target=_work, args=(self._calls, self._idle), name=f"{self._name}-worker", daemon=True
            )
            worker.start()


def _work(calls: SimpleQueue[Callable[[], None] | None], idle: threading.Semaphore) -> None:
    while (call := calls.get()) is not None:
        call()
        del call  # an idle thread must keep nothing of the last request alive
        idle.release()
    calls.put(None)  # for the next one


class Call(Generic[T]):
    """One piece of work under way."""

    def __init__(self, lane: Lane, work: Callable[[], T]) -> None:
        self._lane, self._work = lane, work
        self._done = threading.Lock()
        self._done.acquire()
        self._value: T | None = None
        self._error: BaseException | None = None
        self._ended_s = math.nan
        self.started_s = time.perf_counter()
        self.is_finished = self.is_abandoned = False

    def run(self) -> None:
        """Do the work; called on a thread of the crew."""
        try:
            self._value = self._work()
        except BaseException as error:  # whatever a stage throws, even SystemExit, is the stage's trouble
            self._error = error
        self._ended_s = time.perf_counter()
        self._lane.finish(self)
        self._done.release()

    def outcome(self, deadline_s: float) -> Outcome[T]:
        """Wait until the deadline at most, and say what came of it."""
        left_s = time_left_s(deadline_s)
        if not self._done.acquire(timeout=-1 if math.isinf(left_s) else left_s):
            self._lane.abandon(self)
            waited_ms = 1000 * (time.perf_counter() - self.started_s)
            return Outcome(None, f"late after {waited_ms:.0f} ms", waited_ms)
        elapsed_ms = 1000 * (self._ended_s - self.started_s)
        if self._error is not None:
            told = f"{type(self._error).__name__}: {self._error}".rstrip(": ")
            return Outcome(None, f"failed: {told}", elapsed_ms)
        return Outcome(self._value, None, elapsed_ms)


class Lane:
    """The one way by which a stage, or a phase of several, is given work."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._lock = threading.Lock()
        self._num_hanging = 0

    def start(self, work: Callable[[], T]) -> Call[T] | None:
        """Start a piece of work; None when an earlier one, left behind, has not come back yet."""
        if self._num_hanging:
            return None
        call = Call(self, work)
        self._crew.send(call.run)
        return call

    def attempt(self, work: Callable[[], T], deadline_s: float) -> Outcome[T]:
        """Do a piece of work and wait for it, until the deadline at most."""
        return finished(self.start(work), deadline_s)

    def abandon(self, call: Call[T]) -> None:
        """Leave a call behind, unless it has just finished."""
        with self._lock:
            if not call.is_finished:
                call.is_abandoned = True
                self._num_hanging += 1

    def finish(self, call: Call[T]) -> None:
        """Note that a call has come back."""
        with self._lock:
            call.is_finished = True
            if call.is_abandoned:
                self._num_hanging -= 1


def finished(call: Call[T] | None, deadline_s: float) -> Outcome[T]:
    """Wait for a call that `Lane.start` gave, until the deadline at most."""
    if call is None:
        return Outcome(None, "skipped: still busy with an earlier request", 0.0)
    return call.outcome(deadline_s)
