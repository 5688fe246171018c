"""How far chance could move a mean, when rows of one user are not independent.

Whole groups (users) are drawn with replacement, never single rows: a user's rows resemble each
other, and intervals that ignore it are too narrow.

Shapes: N values, G groups, R resamples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shortlist.metrics.mean import MetricInputError, column, without_nan

# Draws held in memory at once: 4M indices, 32 MB.
DRAWS_AT_ONCE = 4_000_000


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and the range that holds the true one with probability `level`."""

    value: float
    low: float
    high: float
    level: float
    num_groups: int

    @property
    def excludes_zero(self) -> bool:
        """Whether chance alone is an unlikely cause of a value this far from zero."""
        return self.low > 0 or self.high < 0


def bootstrap_mean(
    values: ArrayLike,
    groups: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    *,
    seed: int = 0,
    level: float = 0.95,
    num_resamples: int = 1000,
) -> Interval:
    """Percentile bootstrap of a mean, drawing whole groups.

    Each resample draws G groups with replacement and takes the weighted mean of their values. Efron
    and Tibshirani 1993, chapter 13; groups as units: Field and Welsh, JRSS B 2007.

    Args:
        values: float [N].
        groups: int [N], the group of each value; None where every value is its own group.
        weights: float [N], zero or more; None for equal weights.
        seed: of the resamples: the same seed gives the same interval.
        level: coverage of the interval, between 0 and 1.
        num_resamples: R.

    Raises:
        MetricInputError: shapes differ, fewer than two groups, NaN values, negative weights, odd level.
    """
    values_N = without_nan("values", column("values", values, np.float64))
    groups_N = (
        np.arange(len(values_N)) if groups is None else column("groups", groups, np.int64, len(values_N))
    )
    weights_N = (
        np.ones(len(values_N)) if weights is None else column("weights", weights, np.float64, len(values_N))
    )
    if not (weights_N >= 0).all():
        raise MetricInputError("weights: expected values of zero or more")
    if not 0 < level < 1:
        raise MetricInputError(f"level: expected a coverage between 0 and 1, such as 0.95, got {level}")
    if num_resamples < 1:
        raise MetricInputError(f"num_resamples: expected 1 or more, got {num_resamples}")

    _, group_of_N = np.unique(groups_N, return_inverse=True)
    sums_G: NDArray[np.float64] = np.bincount(group_of_N, weights=weights_N * values_N).astype(np.float64)
    totals_G: NDArray[np.float64] = np.bincount(group_of_N, weights=weights_N).astype(np.float64)
    sums_G, totals_G = sums_G[totals_G > 0], totals_G[totals_G > 0]
    if len(sums_G) < 2:
        raise MetricInputError(
            f"groups: expected at least 2 groups with weight to resample, got {len(sums_G)}"
        )

    means_R = _resampled_means(sums_G, totals_G, num_resamples, np.random.default_rng(seed))
    tail = (1 - level) / 2
    low, high = np.quantile(means_R, (tail, 1 - tail))
    return Interval(float(sums_G.sum() / totals_G.sum()), float(low), float(high), level, len(sums_G))


def paired_difference(
    a: ArrayLike,
    b: ArrayLike,
    groups: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    *,
    seed: int = 0,
    level: float = 0.95,
    num_resamples: int = 1000,
) -> Interval:
    """Interval of mean(a) - mean(b), where both were measured on the same rows.

    Pairing removes what the rows have in common, so far smaller differences can be seen than by
    comparing two separate intervals. For two metrics over the same lists pass their `values`
    (and `weights`), with the user of each list as the group.

    Args:
        a: float [N].
        b: float [N], row for row beside `a`.
        groups: as `bootstrap_mean`.
        weights: as `bootstrap_mean`.
        seed: as `bootstrap_mean`.
        level: as `bootstrap_mean`.
        num_resamples: as `bootstrap_mean`.

    Raises:
        MetricInputError: as `bootstrap_mean`.
    """
    a_N = column("a", a, np.float64)
    b_N = column("b", b, np.float64, len(a_N))
    return bootstrap_mean(a_N - b_N, groups, weights, seed=seed, level=level, num_resamples=num_resamples)


def _resampled_means(
    sums_G: NDArray[np.float64],
    totals_G: NDArray[np.float64],
    num_resamples: int,
    random: np.random.Generator,
) -> NDArray[np.float64]:
    num_groups = len(sums_G)
    means_R = np.empty(num_resamples)
    rows = max(1, DRAWS_AT_ONCE // num_groups)
    for start in range(0, num_resamples, rows):
        shape = (min(rows, num_resamples - start), num_groups)
        drawn_RG = random.integers(0, num_groups, size=shape)
        means_R[start : start + rows] = sums_G[drawn_RG].sum(axis=1) / totals_G[drawn_RG].sum(axis=1)
    return means_R
