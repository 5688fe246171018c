"""The highest rate that is held: doubling until it is not, then bisection, each step by majority."""

from __future__ import annotations

import math
from collections.abc import Callable

VOTES = 3


def highest_rate(
    holds: Callable[[float], bool],
    start_rps: float,
    *,
    tolerance: float = 0.05,
    least_rps: float = 1.0,
    most_rps: float = 100_000.0,
) -> float:
    """Search for the highest rate that holds.

    A rate counts as held when the majority of `VOTES` trials held, for one run beside a busy neighbour
    proves nothing either way. What bisection settled on is tried again before it is returned, and lowered
    by `tolerance` as long as it does not hold: the luckiest of many steps would be too high a figure.

    Args:
        holds: one trial at a rate.
        start_rps: where to begin.
        tolerance: how near the two ends of the search must come, as a share.
        least_rps: below it nothing is tried.
        most_rps: above it nothing is tried.

    Returns:
        The highest rate that was held; 0 when not even the least was.
    """
    low, high, rate = 0.0, math.inf, min(start_rps, most_rps)
    while math.isinf(high) and low < most_rps:
        if _majority(holds, rate):
            low, rate = rate, min(2 * rate, most_rps)
        else:
            high = rate
    while low == 0.0 and high > least_rps:
        rate = max(high / 2, least_rps)
        if _majority(holds, rate):
            low = rate
        else:
            high = rate
    if low == 0.0:
        return 0.0
    while high > low * (1 + tolerance) and math.isfinite(high):
        rate = math.sqrt(low * high)
        if _majority(holds, rate):
            low = rate
        else:
            high = rate
    while not _majority(holds, low):
        low /= 1 + tolerance
        if low < least_rps:
            return 0.0
    return low


def _majority(holds: Callable[[float], bool], rate: float) -> bool:
    needed = VOTES // 2 + 1
    held = failed = 0
    while held < needed and failed < needed:
        if holds(rate):
            held += 1
        else:
            failed += 1
    return held == needed
