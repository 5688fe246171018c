"""Fixed point: sums that come out the same in whatever order they are added.

Shape legend: N rows, L lanes.
"""

from __future__ import annotations

import numpy as np

from shortlist.features.values import Values

SCALE = float(2**20)
"""Steps to a unit: a value is kept to 2^-20, about a millionth."""

LIMIT = float(2**31)
"""Values at or beyond this are left out, as null is: 2^11 such values still fit an int64 sum."""


def fixed_point(values: Values, num_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return values as fixed-point int64[N], 0 where left out, and which are counted, bool[N]."""
    numbers = np.broadcast_to(values.number(), num_rows)
    counted = np.abs(numbers) < LIMIT
    return np.rint(np.where(counted, numbers, 0.0) * SCALE).astype(np.int64), counted


def finish(aggregate: str, sums: np.ndarray, lane: int) -> np.ndarray:
    """Turn the sums int64[N, L] of a window into a count, sum or mean, float64[N].

    A mean is one division of exact sums, null (NaN) when nothing was counted.
    """
    if aggregate == "count":
        return sums[:, 0].astype(np.float64)
    total = sums[:, lane + 1].astype(np.float64)
    if aggregate == "sum":
        return total / SCALE
    with np.errstate(invalid="ignore"):
        return total / (sums[:, lane].astype(np.float64) * SCALE)


def finish_rate(sums: np.ndarray, overall: np.ndarray, prior: float) -> np.ndarray:
    """Turn (impressions, positives) int64[N, 2], and the same over all keys, into a smoothed rate."""
    expected = (overall[:, 1].astype(np.float64) + 1.0) / (overall[:, 0].astype(np.float64) + 2.0)
    return (sums[:, 1].astype(np.float64) + prior * expected) / (sums[:, 0].astype(np.float64) + prior)
