"""Cutting a catalogue into lists, of which a search looks at a few: by k-means, on a sample.

Vectors of trained models differ in length, and a query's inner product with a list's mean says little of the
best in it: what lies far from its mean counts. So a list is probed in the order of
mean . query + 3 spread |query|, its mean product and three standard deviations in any one direction. At equal
shares of the catalogue looked at that finds more than the mean alone, on all kinds of vectors we tried.

I items, D width, K lists, B queries, S items of a sample, T of them true.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_SPREADS = np.float32(3.0)
_SAMPLE_OF_A_LIST = 40
_ROUNDS = 8  # of k-means
_ROWS_AT_ONCE = 1 << 16
_TRIAL_LISTS = 256
_TRIAL_QUERIES = 200
_TRIAL_N = 20
_TRIAL_RECALL = 0.95


@dataclass(frozen=True)
class Partition:
    """K lists, none of them empty.

    Args:
        means: of the vectors in each list, float32 [K, D].
        spreads: the standard deviation in a list, of all directions alike, float32 [K].
        lists: which list each item is in, int64 [I].
    """

    means: NDArray[np.float32]
    spreads: NDArray[np.float32]
    lists: NDArray[np.int64]


def num_lists_of(num_items: int) -> int:
    """Return how many lists suit a catalogue: the power of two nearest to four times its square root."""
    return int(2 ** max(0, round(math.log2(4 * math.sqrt(max(num_items, 1))))))


def probe_vectors(means_KD: NDArray[np.float32], spreads_K: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what a query with its length appended is multiplied with to rank lists, float32 [K, D + 1]."""
    return np.column_stack([means_KD, _SPREADS * spreads_K]).astype(np.float32)


def with_length(queries_BD: NDArray[np.float32]) -> NDArray[np.float32]:
    """Append the length of each query, float32 [B, D + 1]."""
    length_B1 = np.sqrt(np.einsum("bd,bd->b", queries_BD, queries_BD))[:, None]
    return np.concatenate([queries_BD, length_B1], axis=1)


def partition(
    vectors_ID: NDArray[np.float32], queries_BD: NDArray[np.float32], num_lists: int, seed: int
) -> Partition:
    """Cut a catalogue into at most so many lists, by direction or by place, as suits these queries.

    By direction, a list holds what lies in one direction, however long: right where lengths differ little,
    as then it looks at half as much for the same recall. By place, it holds what lies close together: right
    where one coordinate is a bias, or lengths differ much.
    """
    random = np.random.default_rng(seed)
    sample_SD = _rows(vectors_ID, _TRIAL_LISTS * _SAMPLE_OF_A_LIST, random)
    asked_BD = _rows(queries_BD, _TRIAL_QUERIES, random)
    shares = {by: _share_looked_at(sample_SD, asked_BD, by, seed) for by in (True, False)}
    by_direction = shares[True] <= shares[False]
    sample_SD = _rows(vectors_ID, num_lists * _SAMPLE_OF_A_LIST, random)
    return _partition(vectors_ID, sample_SD, num_lists, by_direction, seed)


def _rows(rows_ND: NDArray[np.float32], most: int, random: np.random.Generator) -> NDArray[np.float32]:
    if len(rows_ND) <= most:
        return rows_ND
    return rows_ND[np.sort(random.choice(len(rows_ND), most, replace=False))]


def _share_looked_at(
    sample_SD: NDArray[np.float32], queries_BD: NDArray[np.float32], by_direction: bool, seed: int
) -> float:
    """Return the share of a sample that is looked at when most of what is best in it has been found."""
    cut = _partition(sample_SD, sample_SD, min(_TRIAL_LISTS, len(sample_SD)), by_direction, seed)
    scores_BS = queries_BD @ sample_SD.T
    num_best = min(_TRIAL_N, len(sample_SD))
    best_BT = np.argpartition(-scores_BS, num_best - 1, axis=1)[:, :num_best]
    ranked_BK = with_length(queries_BD) @ probe_vectors(cut.means, cut.spreads).T
    order_BK = np.argsort(-ranked_BK, axis=1)
    sizes_K = np.bincount(cut.lists, minlength=len(cut.means))
    looked_at_BK = np.empty_like(order_BK)
    np.put_along_axis(looked_at_BK, order_BK, np.cumsum(sizes_K[order_BK], axis=1), axis=1)
    needed_BT = np.take_along_axis(looked_at_BK, cut.lists[best_BT], axis=1)
    return float(np.quantile(needed_BT, _TRIAL_RECALL)) / len(sample_SD)


def _partition(
    vectors_ID: NDArray[np.float32],
    sample_SD: NDArray[np.float32],
    num_lists: int,
    by_direction: bool,
    seed: int,
) -> Partition:
    import faiss  # heavy, and needed for large catalogues only

    width = vectors_ID.shape[1]
    clustering = faiss.Kmeans(
        width, num_lists, niter=_ROUNDS, spherical=by_direction, seed=seed,
        max_points_per_centroid=_SAMPLE_OF_A_LIST, min_points_per_centroid=1,
    )  # fmt: skip
    clustering.train(np.ascontiguousarray(sample_SD))
    centres = faiss.IndexFlatIP(width) if by_direction else faiss.IndexFlatL2(width)
    centres.add(clustering.centroids)
    list_of_I = np.empty(len(vectors_ID), np.int64)
    sums_KD = np.zeros((num_lists, width))
    for start in range(0, len(vectors_ID), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        list_of_I[rows] = centres.search(np.ascontiguousarray(vectors_ID[rows]), 1)[1][:, 0]
        np.add.at(sums_KD, list_of_I[rows], vectors_ID[rows])
    # Where many vectors are equal lists stay empty: probed in vain, and written by faiss in another way.
    is_filled = np.bincount(list_of_I, minlength=num_lists) > 0
    list_of_I = (np.cumsum(is_filled) - 1)[list_of_I]
    sizes_K = np.bincount(list_of_I)
    means_KD = sums_KD[is_filled] / sizes_K[:, None]
    squares_I = np.einsum("id,id->i", vectors_ID, vectors_ID)
    squares_K = np.bincount(list_of_I, weights=squares_I) / sizes_K
    variances_K = np.maximum(squares_K - np.square(means_KD).sum(axis=1), 0.0) / width
    return Partition(means_KD.astype(np.float32), np.sqrt(variances_K).astype(np.float32), list_of_I)
