"""How well scores order the items of each list.

Shapes: N examples, G lists with at least one positive, k the cut-off. Ranks are 1-based.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shortlist.metrics.mean import MetricInputError, column
from shortlist.metrics.positive_ranks import PositiveRanks


class RankedLists(PositiveRanks):
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

        order = np.lexsort((-scores_N, groups_N))  # stable: ties keep the order of the input
        groups_N, gains_N = groups_N[order], gains_N[order]
        positive_N = gains_N > 0
        found_G, lists_M = np.unique(groups_N[positive_N], return_inverse=True)
        super().__init__(lists_M, _rank_within(groups_N)[positive_N], gains_N[positive_N], found_G)


def _rank_within(groups_N: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the rows of each run of equal values from 1."""
    rows_N = np.arange(len(groups_N))
    starts_N = np.ones(len(groups_N), np.bool_)
    starts_N[1:] = groups_N[1:] != groups_N[:-1]
    ranks_N: NDArray[np.int64] = rows_N - np.maximum.accumulate(np.where(starts_N, rows_N, 0)) + 1
    return ranks_N
