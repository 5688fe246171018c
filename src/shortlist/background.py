"""Work that may wait, and the requests that it waits for.

A process that answers requests for slates has more to do: it loads the next release, tidies and snapshots
its state, seals its log. That takes seconds of a processor, and of the one interpreter, where a request needs
both for milliseconds. So such work is marked, and goes in pieces; few of them keep the interpreter for longer
than a millisecond. After each it gives way: it goes on when no request is worked on in this process, or at
last all the same, a piece at a time, for some servers are never idle.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST_WAIT_S = 0.01
"""How long one piece waits for requests; a load of a thousand pieces then takes ten seconds at the most."""

_PIECE_S = 0.0005
_PAUSE_S = 0.0003
"""Longer than it takes to wake: who waits for the interpreter gets it, and an answer is sent meanwhile."""


class _Requests:
    """How many requests this process works on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._num = 0
        self.none = threading.Event()
        self.none.set()

    def count(self, change: int) -> None:
        with self._lock:
            self._num += change
            assert self._num >= 0, "a request ends once"
            if self._num == 0:
                self.none.set()
            else:
                self.none.clear()


class _Here(threading.local):
    """This thread: whether its work may wait, and when it last did."""

    may_wait = False
    since_s = 0.0


_requests, _here = _Requests(), _Here()


def request_began() -> None:
    """Note that a request is worked on, by whatever thread; `request_ended` follows."""
    _requests.count(1)


def request_ended() -> None:
    """Note that a request is answered."""
    _requests.count(-1)


@contextmanager
def in_background() -> Iterator[None]:
    """Mark what this thread does inside as work that may wait."""
    before, _here.may_wait = _here.may_wait, True
    try:
        yield
    finally:
        _here.may_wait = before


def give_way() -> None:
    """Wait for requests, if this thread's work may wait and has not for half a millisecond; see the module.

    Whoever calls it holds no lock that a request could need.
    """
    if not _here.may_wait or time.monotonic() - _here.since_s < _PIECE_S:
        return
    until_s = time.monotonic() + LONGEST_WAIT_S
    time.sleep(_PAUSE_S)
    while not _requests.none.is_set() and (left_s := until_s - time.monotonic()) > 0:
        _requests.none.wait(left_s)
        time.sleep(_PAUSE_S)  # the answer is on its way out
    _here.since_s = time.monotonic()


def pieces(num: int, at_once: int) -> Iterator[slice]:
    """Yield the slices of so many rows, `at_once` to each, and give way after each."""
    for start in range(0, num, at_once):
        yield slice(start, min(start + at_once, num))
        give_way()
