"""Fixed point: sums that come out the same in whatever order they are added.

Shape legend: N rows, L lanes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from shortlist.compiled import compiled
from shortlist.features.kernels.arrays import Int64s
from shortlist.features.values import Values

SCALE = float(2**20)
"""Steps to a unit: a value is kept to 2^-20, about a millionth."""

LIMIT = float(2**31)
"""Values at or beyond this are left out, as null is: 2^11 such values still fit an int64 sum."""


def add_fixed_point(values: Values, lanes: np.ndarray, counted: int) -> None:
    """Put values, [N] or [1], in fixed point into the lane after `counted`, where they are counted.

    Args:
        values: null, and what is too large, is left out.
        lanes: int64[N, L], zero in both lanes.
        counted: the lane.
    """
    # Copies, so that the kernel is compiled for one layout only.
    _add_fixed_point(np.array(values.values, np.float64), np.array(values.known), lanes, counted)


@compiled
def _add_fixed_point(
    numbers: npt.NDArray[np.float64], known: npt.NDArray[np.bool_], lanes: Int64s, counted: int
) -> None:
    for row in range(lanes.shape[0]):
        number = numbers[min(row, numbers.shape[0] - 1)]
        if known[min(row, known.shape[0] - 1)] and abs(number) < LIMIT:
            lanes[row, counted] = 1
            lanes[row, counted + 1] = int(np.rint(number * SCALE))


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
