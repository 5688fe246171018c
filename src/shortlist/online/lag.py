"""How late the event loop comes to what is ready for it.

A request has waited before the loop sees it, and its answer waits before the loop sends it: when a thousand
others are refused in the same second, for many milliseconds that no clock of ours sees otherwise.
"""

from __future__ import annotations

_QUANTILE = 0.9
_STEP_S = 0.0005
"""So much does one delay change at most, however long it was: machines have pauses of their own."""


class Lag:
    """A high quantile of the loop's last delays, followed step by step; used by the loop's thread only.

    It rises with each delay above it and sinks, more slowly, with each below, so that as many are above it as
    the quantile says (Robbins & Monro, "A stochastic approximation method", 1951).
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        """The quantile, never negative."""

    def was(self, seconds: float) -> None:
        """Count a delay."""
        change = _QUANTILE if seconds > self.seconds else _QUANTILE - 1
        self.seconds = max(0.0, self.seconds + change * _STEP_S)
