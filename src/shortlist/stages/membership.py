"""Which candidates are among others; for a request's few hundred, several times quicker than `np.isin`.

C candidates, N others.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist.stages.contract import Items


def among(items_C: Items, others_N: Items) -> NDArray[np.bool_]:
    """Return which items are among the others, bool [C]."""
    if len(others_N) == 0:
        return np.zeros(len(items_C), np.bool_)
    sorted_N = np.sort(others_N)
    place_C = np.minimum(np.searchsorted(sorted_N, items_C), len(sorted_N) - 1)
    return np.asarray(sorted_N[place_C] == items_C, np.bool_)
