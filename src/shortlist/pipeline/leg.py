"""Who holds a request: the worker that walks it, until it is taken from a worker that is stuck.

Python cannot stop a thread that hangs in a stage. What can be done is to take the request from it: from
then on another worker walks, and what the first one still brings is not written down any more.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import NamedTuple

from shortlist.pipeline.crew import Lane


class TakenOver(BaseException):
    """Ends the walk of a worker that no longer holds its request; no stage sees it."""


class Place(NamedTuple):
    """The stage that a worker is in, by its lane, and since when."""

    lane: Lane
    since_s: float


class Hold:
    """Which leg has the request; one a request."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.leg: Leg | None = None


class Leg:
    """One worker's part of a request's way.

    As a context manager it is the right to write: entering raises `TakenOver` once another leg, or
    nobody, has the request.
    """

    def __init__(self, hold: Hold) -> None:
        self._hold = hold
        self.place: Place | None = None
        self.left_on: Lane | None = None

    def __enter__(self) -> None:
        self._hold.lock.acquire()
        if self._hold.leg is not self:
            self._hold.lock.release()
            raise TakenOver

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hold.lock.release()

    def enter(self, lane: Lane) -> float:
        """Note that a stage begins; return the moment."""
        since_s = time.perf_counter()
        with self:
            self.place = Place(lane, since_s)
        return since_s

    def leave_behind(self) -> Place:
        """Close the lane of the stage it is in until the worker has come back; with the lock held."""
        assert self.place is not None
        self.left_on = self.place.lane
        self.left_on.count(1)
        return self.place

    def came_back(self) -> None:
        """Open the lane again; the worker's last act."""
        with self._hold.lock:
            self.place = None  # nobody can leave it behind any more
            if self.left_on is not None:
                self.left_on.count(-1)
