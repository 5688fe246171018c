"""What the served slates look like as a whole: reach, concentration, novelty, variety.

Shapes: S slates, K slots, N items of the catalogue, D width of an item's vector.
Items are numbered 0 .. N-1; -1 marks an empty slot of a short slate.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shortlist.metrics.mean import Mean, MetricInputError, mean_over


def coverage(slates: ArrayLike, num_items: int) -> float:
    """Share of the catalogue that was served at least once.

    Args:
        slates: int [S, K].
        num_items: N, the size of the catalogue.

    Raises:
        MetricInputError: slates is not two-dimensional, or holds an item outside the catalogue.
    """
    return float((_exposures(slates, num_items) > 0).mean())


def gini(slates: ArrayLike, num_items: int) -> float:
    """Inequality of exposure over the whole catalogue: 0 all items alike, towards 1 one item takes all.

    Items that were never served count with zero.

    Args:
        slates: int [S, K], at least one slot filled.
        num_items: N, the size of the catalogue.

    Raises:
        MetricInputError: as `coverage`, or every slot is empty.
    """
    exposures_N = np.sort(_exposures(slates, num_items))
    total = exposures_N.sum()
    if not total:
        raise MetricInputError("slates: every slot is empty; exposure cannot be compared")
    ranks_N = np.arange(1, num_items + 1)
    return float((2 * ranks_N - num_items - 1) @ exposures_N / (num_items * total))


def novelty(slates: ArrayLike, item_counts: ArrayLike) -> float:
    """Mean surprise of the served items in bits: -log2 of an item's share of past interactions.

    Counts are raised by one, so that an item nobody has met yet is finitely surprising. Vargas and
    Castells, RecSys 2011.

    Args:
        slates: int [S, K], at least one slot filled.
        item_counts: int [N], past interactions with each item.

    Raises:
        MetricInputError: as `coverage`, or a count is negative, or every slot is empty.
    """
    counts_N = np.asarray(item_counts, dtype=np.float64)
    if counts_N.ndim != 1 or not (counts_N >= 0).all():
        raise MetricInputError("item_counts: expected one count of zero or more for each item")
    slates_SK = _read(slates, len(counts_N))
    surprise_N = -np.log2((counts_N + 1) / (counts_N + 1).sum())
    served = slates_SK[slates_SK >= 0]
    if not len(served):
        raise MetricInputError("slates: every slot is empty; there is nothing to be surprised by")
    return float(surprise_N[served].mean())


def intra_list_diversity(slates: ArrayLike, item_vectors: ArrayLike) -> Mean:
    """Mean distance (1 - cosine) between the pairs of items in a slate, averaged over slates.

    With a category of each item it is the share of pairs whose categories differ, as with one-hot
    vectors. A zero vector, and an unknown category, is at distance 1 from everything. Slates with
    fewer than two items are left out. Ziegler et al., WWW 2005.

    Args:
        slates: int [S, K].
        item_vectors: float [N, D]; or int [N], the category of each item, below 0 where unknown.

    Returns:
        The mean; its `groups` are the row numbers of the slates counted.

    Raises:
        MetricInputError: as `coverage`, or item_vectors is neither vectors nor categories.
    """
    given = np.asarray(item_vectors)
    if given.ndim == 1 and given.dtype.kind in "iu":
        slates_SK = _read(slates, len(given))
        return _mean_distance(slates_SK, _similar_pairs_of_categories(slates_SK, given))
    if given.ndim != 2:
        raise MetricInputError(
            f"item_vectors: expected numbers of shape [items, width], or whole numbers of shape [items], "
            f"got {given.dtype} of shape {given.shape}"
        )
    slates_SK = _read(slates, len(given))
    return _mean_distance(slates_SK, _similar_pairs_of_vectors(slates_SK, given.astype(np.float64)))


def _mean_distance(slates_SK: NDArray[np.int64], similarity_S: NDArray[np.float64]) -> Mean:
    """Average what is left of 1 by the similarity, given as its sum over ordered pairs of each slate."""
    num_S = (slates_SK >= 0).sum(axis=1)
    counted = np.flatnonzero(num_S >= 2)
    pairs_S = (num_S * (num_S - 1))[counted]
    return mean_over(counted, 1.0 - similarity_S[counted] / pairs_S)


def _similar_pairs_of_categories(
    slates_SK: NDArray[np.int64], category_N: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Count the ordered pairs of slots with one known category, float64 [S]."""
    category_SK = np.where(slates_SK >= 0, category_N[slates_SK], -1)
    same_S = np.zeros(len(slates_SK))
    for slot in range(1, slates_SK.shape[1]):
        alike = (category_SK[:, slot:] == category_SK[:, :-slot]) & (category_SK[:, slot:] >= 0)
        same_S += 2 * alike.sum(axis=1)
    return same_S


def _similar_pairs_of_vectors(
    slates_SK: NDArray[np.int64], vectors_ND: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Sum the cosines of the ordered pairs of slots, float64 [S]."""
    norms_N = np.linalg.norm(vectors_ND, axis=1)
    unit_ND = np.divide(
        vectors_ND, norms_N[:, None], out=np.zeros_like(vectors_ND), where=norms_N[:, None] > 0
    )

    # |sum of unit vectors|^2 holds every pair twice and every item once: no K x K table is needed.
    sum_SD = np.zeros((len(slates_SK), vectors_ND.shape[1]))
    squares_S = np.zeros(len(slates_SK))
    for items_S in slates_SK.T:
        filled_S = items_S >= 0
        sum_SD += unit_ND[items_S] * filled_S[:, None]
        squares_S += (norms_N[items_S] > 0) * filled_S
    similarity_S: NDArray[np.float64] = np.square(sum_SD).sum(axis=1) - squares_S
    return similarity_S


def _read(slates: ArrayLike, num_items: int) -> NDArray[np.int64]:
    slates_SK = np.asarray(slates)
    if slates_SK.ndim != 2 or slates_SK.dtype.kind not in "iu":
        raise MetricInputError(
            f"slates: expected whole numbers of shape [slates, slots], "
            f"got {slates_SK.dtype} of shape {slates_SK.shape}"
        )
    if slates_SK.size and (slates_SK.min() < -1 or slates_SK.max() >= num_items):
        raise MetricInputError(
            f"slates: expected items 0 to {num_items - 1} (-1 for an empty slot), "
            f"got {slates_SK.min()} to {slates_SK.max()}"
        )
    return slates_SK.astype(np.int64, copy=False)


def _exposures(slates: ArrayLike, num_items: int) -> NDArray[np.int64]:
    slates_SK = _read(slates, num_items)
    exposures_N: NDArray[np.int64] = np.bincount(slates_SK[slates_SK >= 0], minlength=num_items)
    return exposures_N
