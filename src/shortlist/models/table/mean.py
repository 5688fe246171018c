"""Compiled: the mean of the vectors of a history.

I items, D width, L history.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist.compiled import compiled


@compiled
def fill_mean(
    vectors_ID: NDArray[np.float32], history_L: NDArray[np.int64], most: int, mean_D: NDArray[np.float32]
) -> None:
    """Fill in the mean of the first `most` vectors of a history; it comes in as zeros, and stays so for none.

    Args:
        vectors_ID: of items 0..I-1; one that is not 0 in its last place stands for no vector.
        history_L: items; one that is none of these is passed over.
        most: how many count.
        mean_D: is filled.
    """
    width = vectors_ID.shape[1]
    num = 0
    for item in history_L:
        if num < most and 0 <= item < vectors_ID.shape[0] and vectors_ID[item, width - 1] == 0.0:
            num += 1
            for d in range(width):
                mean_D[d] += vectors_ID[item, d]
    for d in range(width if num > 0 else 0):
        mean_D[d] /= num
