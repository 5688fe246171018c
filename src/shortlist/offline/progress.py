"""Steps of a long run: told while they go on, and timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol


class Progress(Protocol):
    """Called with a step's name and how far it has come; a total of 0 says that nobody knows."""

    def __call__(self, step: str, done: int, total: int, /) -> None:
        """Tell how far a step has come."""
        ...


class Steps:
    """Names the steps of a run, tells `progress` of them, and adds up the seconds of each."""

    def __init__(self, progress: Progress | None = None) -> None:
        self.seconds: dict[str, float] = {}
        self._progress = progress

    @contextmanager
    def step(self, name: str) -> Iterator[Callable[[int, int], None]]:
        """Run a step: gives a callback that takes (done, total)."""

        def report(done: int, total: int) -> None:
            if self._progress is not None:
                self._progress(name, done, total)

        started_s = time.perf_counter()
        report(0, 0)
        try:
            yield report
        finally:
            elapsed_s = time.perf_counter() - started_s
            self.seconds[name] = self.seconds.get(name, 0.0) + elapsed_s
        report(1, 1)
