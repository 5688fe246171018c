"""How well scores order the items of each list.

Shapes: N examples, G lists with at least one positive, k the cut-off. Ranks are 1-based.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shortlist.metrics.mean import Mean, MetricInputError, column, mean_over


class RankedLists:
    """Lists put in order of their scores, once; every metric then reads the same order.

    Higher scores come first. Equal scores keep the order of the input, so do not feed lists that
    are sorted by their gain: a constant score would look perfect. NaN scores sink to the end.
    An example is positive where its gain is above zero. Lists without a positive have nothing to
    find and are left out of every mean; `Mean.num_groups` says how many were counted.

    Args:
        groups: int64 [N], the list (request, user) of each example, in any order.
        scores: float [N], what the list is ordered by.
        gains: float or bool [N], the worth of each example, zero or more.

    Raises:
        MetricInputError: shapes differ, or a gain is negative or not finite.
    """

    def __init__(self, groups: ArrayLike, scores: ArrayLike, gains: ArrayLike) -> None:
        groups_N = column("groups", groups, np.int64)
        scores_N = column("scores", scores, np.float64, len(groups_N))
        gains_N = column("gains", gains, np.float64, len(groups_N))
        if not (np.isfinite(gains_N) & (gains_N >= 0)).all():
            raise MetricInputError("gains: expected finite values of zero or more; shift or clip them first")

        all_lists, list_of_N = np.unique(groups_N, return_inverse=True)
        found = np.bincount(list_of_N, weights=gains_N > 0, minlength=len(all_lists)) > 0
        kept = np.flatnonzero(found[list_of_N])
        index_of_list = np.cumsum(found) - 1

        lists_N, scores_N, gains_N = index_of_list[list_of_N[kept]], scores_N[kept], gains_N[kept]
        order = np.lexsort((-scores_N, lists_N))  # stable: ties keep the order of the input
        self._groups_G = all_lists[found]
        self._list_N = lists_N[order]
        self._gain_N = gains_N[order]
        self._positive_N = self._gain_N > 0
        self._rank_N = _rank_within(self._list_N)
        self._num_positive_G = self._sum_by_list(self._positive_N)

    def ndcg_at(self, k: int) -> Mean:
        """Discounted gain of the first k over the best that k slots could hold.

        Gains count as given and rank r is discounted by log2(r + 1); pass `2**grade - 1` for the
        exponential form. Järvelin and Kekäläinen, ACM TOIS 2002.
        """
        ideal_order = np.lexsort((-self._gain_N, self._list_N))
        discount_N = self._until(k) / np.log2(self._rank_N + 1.0)
        gained_G = self._sum_by_list(self._gain_N * discount_N)
        ideal_G = self._sum_by_list(self._gain_N[ideal_order] * discount_N)
        return mean_over(self._groups_G, gained_G / ideal_G)

    def hit_rate_at(self, k: int) -> Mean:
        """Share of lists with a positive among the first k."""
        return mean_over(self._groups_G, (self._hits_at(k) > 0).astype(np.float64))

    def recall_at(self, k: int) -> Mean:
        """Share of a list's positives that are among its first k."""
        return mean_over(self._groups_G, self._hits_at(k) / self._num_positive_G)

    def precision_at(self, k: int) -> Mean:
        """Positives among the first k, divided by k even where the list is shorter."""
        return mean_over(self._groups_G, self._hits_at(k) / k)

    def mrr(self) -> Mean:
        """One over the rank of the first positive."""
        reciprocal_G = np.zeros(len(self._groups_G))
        np.maximum.at(reciprocal_G, self._list_N, self._positive_N / self._rank_N)
        return mean_over(self._groups_G, reciprocal_G)

    def average_precision(self) -> Mean:
        """Precision at the rank of each positive, averaged over the positives of a list."""
        before_G = np.cumsum(self._num_positive_G) - self._num_positive_G
        positives_so_far_N = np.cumsum(self._positive_N) - before_G[self._list_N]
        precision_N = self._positive_N * positives_so_far_N / self._rank_N
        return mean_over(self._groups_G, self._sum_by_list(precision_N) / self._num_positive_G)

    def _until(self, k: int) -> NDArray[np.bool_]:
        if k < 1:
            raise MetricInputError(f"k: expected a cut-off of 1 or more, got {k}")
        return self._rank_N <= k

    def _hits_at(self, k: int) -> NDArray[np.float64]:
        return self._sum_by_list(self._positive_N & self._until(k))

    def _sum_by_list(self, values_N: NDArray[np.float64] | NDArray[np.bool_]) -> NDArray[np.float64]:
        sums_G = np.bincount(self._list_N, weights=values_N, minlength=len(self._groups_G))
        return sums_G.astype(np.float64, copy=False)


def _rank_within(list_N: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the rows of each run of equal values from 1."""
    rows_N = np.arange(len(list_N))
    starts_N = np.diff(list_N, prepend=-1) != 0
    ranks_N: NDArray[np.int64] = rows_N - np.maximum.accumulate(np.where(starts_N, rows_N, 0)) + 1
    return ranks_N
