"""The progress of an import, read off DuckDB while it works."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_TICK_S = 0.1


class Progress:
    """Tells a callback how far an import has come, about ten times a second.

    Args:
        connection: the DuckDB connection that does the work.
        report: called with (rows done, rows in all), from another thread; None for nobody.
        total_rows: rows in all sources, as far as one can tell beforehand.
    """

    def __init__(self, connection: Any, report: Callable[[int, int], None] | None, total_rows: int) -> None:
        connection.execute("SET enable_progress_bar = true")
        connection.execute("SET enable_progress_bar_print = false")
        self._connection = connection
        self._report = report
        self._total_rows = total_rows
        self._done_rows = 0

    @contextmanager
    def phase(self, begin: float, end: float) -> Iterator[None]:
        """Report from one share of the whole work to another, while the inside runs."""
        stop = threading.Event()
        ticker = threading.Thread(target=self._tick, args=(stop, begin, end), daemon=True)
        if self._report:
            ticker.start()
        try:
            yield
        finally:
            stop.set()
            if self._report:
                ticker.join()
        self._advance(end)

    def _tick(self, stop: threading.Event, begin: float, end: float) -> None:
        while not stop.wait(_TICK_S):
            percent = max(0.0, self._connection.query_progress())
            self._advance(begin + (end - begin) * percent / 100)

    def _advance(self, share: float) -> None:
        done_rows = int(share * self._total_rows)
        if self._report and done_rows > self._done_rows:
            self._done_rows = done_rows
            self._report(done_rows, self._total_rows)
