"""How long a source takes when nothing is in its way: a quick one is not worth a thread of its own."""

from __future__ import annotations

QUICK_MS = 2.0
"""A hand-over to another thread and back takes about 0.05 ms, and on busy processors gains nothing."""

_BELOW, _ABOVE = 0.2, 0.02


class Pace:
    """A low expectile of one source's time (Newey & Powell 1987): a tenth weighs above it.

    A source that waits for a processor is not slow, and one that is slow is so nearly always. Threads that
    meet here may lose each other's sample.
    """

    def __init__(self) -> None:
        self._usual_ms: float | None = None

    @property
    def is_quick(self) -> bool:
        """Whether a source may run on the request's own thread; one that was never timed may not."""
        return self._usual_ms is not None and self._usual_ms < QUICK_MS

    def took(self, elapsed_ms: float) -> None:
        """Count a sample."""
        usual_ms = self._usual_ms
        if usual_ms is None:
            self._usual_ms = elapsed_ms
        else:
            weight = _BELOW if elapsed_ms < usual_ms else _ABOVE
            self._usual_ms = usual_ms + weight * (elapsed_ms - usual_ms)

    def hung(self) -> None:
        """Forget all: what hangs is slow until it has shown otherwise."""
        self._usual_ms = None
