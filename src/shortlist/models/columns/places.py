"""Where entries lie among the slots of their columns, compiled; see `slots`.

N rows, F columns, K keys of all columns.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist.compiled import compiled


@compiled
def _place(
    entry: np.float32, keys_K: NDArray[np.float64], first: int, last: int, is_categorical: bool
) -> np.float32:
    """Return where an entry lies among the slots of its column, whose keys are `first` to `last` - 1."""
    value = np.float64(entry)
    if np.isnan(value) or last == first:
        return np.float32(0.0)
    low, high = first, last  # the first key that is not below the value
    while low < high:
        middle = (low + high) // 2
        if keys_K[middle] < value:
            low = middle + 1
        else:
            high = middle
    if low < last and keys_K[low] == value:
        return np.float32(1 + low - first)
    if is_categorical:
        return np.float32(0.0)
    if low == first:
        return np.float32(1.0)
    if low == last:
        return np.float32(last - first)
    share = (value - keys_K[low - 1]) / (keys_K[low] - keys_K[low - 1])
    return np.float32((low - first) + share)


@compiled
def fill_places(
    features_NF: NDArray[np.float32],
    keys_K: NDArray[np.float64],
    key_starts_F: NDArray[np.int64],
    is_categorical_F: NDArray[np.bool_],
    places_NF: NDArray[np.float32],
) -> None:
    """Write each entry's place in its column."""
    for row in range(features_NF.shape[0]):
        for f in range(features_NF.shape[1]):
            places_NF[row, f] = _place(
                features_NF[row, f], keys_K, key_starts_F[f], key_starts_F[f + 1], is_categorical_F[f]
            )
