"""What the ranks of a list's positives are worth: every metric that looks at nothing else.

Shapes: M positives, G lists, k the cut-off. Ranks are 1-based.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shortlist.metrics.mean import Mean, MetricInputError, column, mean_over


class PositiveRanks:
    """Where the positives of G lists stand.

    Every list counts, and has a positive or more. With one positive a list, as when one item is left
    out, hit rate and recall are the same, and so are MRR and MAP.

    Args:
        lists: int [M], the list of each positive, ascending and without a gap: 0..G-1.
        ranks: int [M], its rank there, from 1; no two of one list alike.
        gains: float [M], its worth, above zero; None for 1 each.
        groups: int64 [G], the identity of each list, ascending; None for 0..G-1.

    Raises:
        MetricInputError: shapes differ, a rank is below 1, a gain is not above zero, or lists have gaps.
    """

    def __init__(
        self,
        lists: ArrayLike,
        ranks: ArrayLike,
        gains: ArrayLike | None = None,
        groups: NDArray[np.int64] | None = None,
    ) -> None:
        list_M = column("lists", lists, np.int64)
        rank_M = column("ranks", ranks, np.int64, len(list_M))
        gain_M = np.ones(len(list_M)) if gains is None else column("gains", gains, np.float64, len(list_M))
        if len(list_M) and (list_M[0] != 0 or not np.isin(np.diff(list_M), (0, 1)).all()):
            raise MetricInputError("lists: expected 0, 1, 2, ... ascending, each with a positive or more")
        if not (rank_M >= 1).all():
            raise MetricInputError(f"ranks: expected 1 or more, got {rank_M.min()}")
        if not (np.isfinite(gain_M) & (gain_M > 0)).all():
            raise MetricInputError("gains: expected finite values above zero for the positives")
        num_lists = int(list_M[-1]) + 1 if len(list_M) else 0
        self._groups_G = np.arange(num_lists) if groups is None else groups
        order = np.lexsort((rank_M, list_M))
        self._list_M, self._rank_M, self._gain_M = list_M[order], rank_M[order], gain_M[order]
        self._num_positive_G = np.bincount(list_M, minlength=num_lists)
        starts_G = np.cumsum(self._num_positive_G) - self._num_positive_G
        # The how-manieth positive of its list each is: its rank in a perfect order.
        self._best_rank_M = np.arange(len(list_M)) - starts_G[self._list_M] + 1

    def ndcg_at(self, k: int) -> Mean:
        """Discounted gain of the first k over the best that k slots could hold.

        Gains count as given and rank r is discounted by log2(r + 1); pass `2**grade - 1` for the
        exponential form. Järvelin and Kekäläinen, ACM TOIS 2002.
        """
        ideal = self._gain_M[np.lexsort((-self._gain_M, self._list_M))]
        gained_G = self._sum_by_list(self._gain_M * self._until(k) / np.log2(self._rank_M + 1.0))
        best_M = self._best_rank_M
        ideal_G = self._sum_by_list(ideal * (best_M <= k) / np.log2(best_M + 1.0))
        return self._mean(gained_G / ideal_G)

    def hit_rate_at(self, k: int) -> Mean:
        """Share of lists with a positive among the first k."""
        return self._mean((self._hits_at(k) > 0).astype(np.float64))

    def recall_at(self, k: int) -> Mean:
        """Share of a list's positives that are among its first k."""
        return self._mean(self._hits_at(k) / self._num_positive_G)

    def capped_recall_at(self, k: int) -> Mean:
        """Positives among the first k, over the most that could be there: all of them, but k at most.

        What Liang et al., "Variational autoencoders for collaborative filtering", WWW 2018, and the papers
        that follow their protocol call Recall@k.
        """
        return self._mean(self._hits_at(k) / np.minimum(self._num_positive_G, k))

    def precision_at(self, k: int) -> Mean:
        """Positives among the first k, divided by k even where the list is shorter."""
        return self._mean(self._hits_at(k) / k)

    def mrr(self) -> Mean:
        """One over the rank of the first positive."""
        return self._mean(self._reciprocal())

    def mrr_at(self, k: int) -> Mean:
        """One over the rank of the first positive; 0 where none is among the first k."""
        return self._mean(self._reciprocal() * (self._hits_at(k) > 0))

    def average_precision(self) -> Mean:
        """Precision at the rank of each positive, averaged over the positives of a list."""
        return self._mean(self._sum_by_list(self._best_rank_M / self._rank_M) / self._num_positive_G)

    def average_precision_at(self, k: int) -> Mean:
        """Precision at the rank of each positive among the first k, over the most there could be.

        The divisor is the number of positives, but k at most, so that a perfect order scores 1;
        trec_eval's `map_cut` divides by the number of positives even where that exceeds k.
        """
        precisions_G = self._sum_by_list(self._until(k) * self._best_rank_M / self._rank_M)
        return self._mean(precisions_G / np.minimum(self._num_positive_G, k))

    def _mean(self, values_G: NDArray[np.float64]) -> Mean:
        return mean_over(self._groups_G, values_G)

    def _reciprocal(self) -> NDArray[np.float64]:
        first_G = self._rank_M[self._best_rank_M == 1].astype(np.float64)
        return np.asarray(1.0 / first_G, np.float64)

    def _until(self, k: int) -> NDArray[np.bool_]:
        if k < 1:
            raise MetricInputError(f"k: expected a cut-off of 1 or more, got {k}")
        return self._rank_M <= k

    def _hits_at(self, k: int) -> NDArray[np.float64]:
        return self._sum_by_list(self._until(k))

    def _sum_by_list(self, values_M: NDArray[np.float64] | NDArray[np.bool_]) -> NDArray[np.float64]:
        sums_G = np.bincount(self._list_M, weights=values_M, minlength=len(self._groups_G))
        return sums_G.astype(np.float64, copy=False)
