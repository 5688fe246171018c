"""The best few of many, always in the same order.

N values.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_WORTH_PARTITIONING = 4  # sorting everything is quicker until it is this many times what is wanted


def best_first(values: NDArray[np.float64] | NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Return the places of the n greatest values, greatest first; of equal values the earlier first.

    Args:
        values: [N], without NaN, and not the smallest int64.
        n: how many; all of them when there are fewer.
    """
    places = np.arange(len(values))
    if len(values) > _WORTH_PARTITIONING * n > 0:
        least = np.partition(values, len(values) - n)[len(values) - n]
        above = np.flatnonzero(values > least)
        level = np.flatnonzero(values == least)[: n - len(above)]
        places = np.sort(np.concatenate([above, level]))
    return places[np.argsort(-values[places], kind="stable")[: max(n, 0)]]
