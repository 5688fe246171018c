"""How long a source takes: a quick one is not worth a thread of its own."""

from __future__ import annotations

QUICK_MS = 2.0
"""A hand-over to another thread and back takes about 0.05 ms, and on busy processors gains nothing."""

_WEIGHT = 0.1
_MOST_MS = 5.0  # one pause of the machine must not count for more


class Pace:
    """The moving average of one source's time.

    Until it is measured a source counts as slow. Threads that meet here may lose each other's sample.
    """

    def __init__(self) -> None:
        self._average_ms: float | None = None

    @property
    def is_quick(self) -> bool:
        """Whether the source may run on the request's own thread, before or after the others."""
        return self._average_ms is not None and self._average_ms < QUICK_MS

    def took(self, elapsed_ms: float) -> None:
        """Count a sample."""
        sample_ms = min(elapsed_ms, _MOST_MS)
        before_ms = self._average_ms
        self._average_ms = sample_ms if before_ms is None else before_ms + _WEIGHT * (sample_ms - before_ms)

    def hung(self) -> None:
        """Forget all: what hangs is slow until it has shown otherwise."""
        self._average_ms = None
