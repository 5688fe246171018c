"""The best n of each row of scores, always in the same order.

B rows, I items, K some of them, n wanted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def top_n(scores: NDArray[np.float32], n: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the n greatest of each row, greatest first; of equal scores the earlier item.

    Args:
        scores: float32 [B, I]; an item at minus infinity is never returned.
        n: how many; the rows are filled up with item -1 and score 0 when there are fewer.

    Returns:
        Items int32 [B, n] and their scores float32 [B, n].
    """
    num_rows, num_items = scores.shape
    wanted = max(0, n)
    items = np.full((num_rows, wanted), -1, np.int32)
    best = np.zeros((num_rows, wanted), np.float32)
    for row, scores_I in enumerate(scores):
        places = np.arange(num_items)
        if wanted < num_items:
            least = np.partition(scores_I, num_items - wanted)[num_items - wanted] if wanted else np.inf
            above = np.flatnonzero(scores_I > least)
            level = np.flatnonzero(scores_I == least)[: wanted - len(above)]
            places = np.sort(np.concatenate([above, level]))
        places = places[scores_I[places] > -np.inf]
        places = places[np.argsort(-scores_I[places], kind="stable")]
        items[row, : len(places)], best[row, : len(places)] = places, scores_I[places]
    return items, best


def top_n_of(
    items: NDArray[np.int32], scores: NDArray[np.float32], n: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the n greatest of each row, as `top_n`, where the columns are some of the items.

    It is quicker than all items with minus infinity for the others: that many equal scores are slow to part.

    Args:
        items: int32 [K], ascending.
        scores: float32 [B, K], theirs.
        n: how many.
    """
    places_Bn, best_Bn = top_n(scores, n)
    return np.append(items, np.int32(-1))[places_Bn], best_Bn  # where place -1 finds none
