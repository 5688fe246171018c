"""How well scores tell yes from no, and whether probabilities mean what they say.

Shapes: N examples, G groups with both classes, B bins.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shortlist.metrics.mean import Mean, MetricInputError, binary_labels, column, mean_over, without_nan

# Keeps one certain and wrong prediction from making the whole mean infinite.
SMALLEST_PROBABILITY = 1e-15


def auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Chance that a positive scores above a negative; equal scores count one half.

    The Mann-Whitney rank statistic, exact under ties.

    Args:
        labels: 0/1 [N].
        scores: float [N], any monotone scale.

    Returns:
        A number from 0 to 1; NaN where one class is missing.

    Raises:
        MetricInputError: shapes differ, a label is not 0 or 1, a score is NaN.
    """
    labels_N = binary_labels(labels)
    return gauc(np.zeros(len(labels_N), dtype=np.int64), labels_N, scores).value


def gauc(groups: ArrayLike, labels: ArrayLike, scores: ArrayLike) -> Mean:
    """AUC inside each group, averaged with the number of the group's examples as its weight.

    Groups with one class only have no AUC and are left out. This is the usual variant (Zhu et al.,
    "Optimized Cost per Click in Taobao", KDD 2017, weights by impressions). Two others are seen:
    weights by clicks, and no weights; both can be made from the `values` of the result.

    Args:
        groups: int64 [N], usually the user of each example.
        labels: 0/1 [N].
        scores: float [N].

    Raises:
        MetricInputError: shapes differ, a label is not 0 or 1, a score is NaN.
    """
    groups_N = column("groups", groups, np.int64)
    labels_N = binary_labels(labels, len(groups_N))
    scores_N = without_nan("scores", column("scores", scores, np.float64, len(groups_N)))
    order = np.lexsort((scores_N, groups_N))
    groups_N, labels_N, scores_N = groups_N[order], labels_N[order], scores_N[order]

    new_group_N = np.ones(len(groups_N), dtype=np.bool_)
    new_group_N[1:] = groups_N[1:] != groups_N[:-1]
    new_score_N = new_group_N.copy()
    new_score_N[1:] |= scores_N[1:] != scores_N[:-1]
    if not len(groups_N):
        return mean_over(groups_N, scores_N)

    group_starts = np.flatnonzero(new_group_N)
    sizes = np.diff(group_starts, append=len(groups_N)).astype(np.float64)
    positives = np.add.reduceat(labels_N.astype(np.float64), group_starts)
    rank_sums = (
        np.add.reduceat(_middle_ranks(new_score_N) * labels_N, group_starts) - positives * group_starts
    )

    negatives = sizes - positives
    both = (positives > 0) & (negatives > 0)
    positives, negatives, rank_sums = positives[both], negatives[both], rank_sums[both]
    values_G = (rank_sums - positives * (positives + 1) / 2) / (positives * negatives)
    return mean_over(groups_N[group_starts[both]], values_G, sizes[both])


def log_loss(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean of -log(probability given to what happened), in nats.

    Probabilities are kept `SMALLEST_PROBABILITY` away from 0 and 1.

    Args:
        labels: 0/1 [N].
        probabilities: float [N] in [0, 1].

    Raises:
        MetricInputError: shapes differ, no examples, a label is not 0 or 1, a probability is outside [0, 1].
    """
    labels_N, probabilities_N = _forecast(labels, probabilities)
    given_N = np.where(labels_N, probabilities_N, 1.0 - probabilities_N)
    return float(-np.log(np.clip(given_N, SMALLEST_PROBABILITY, 1.0)).mean())


def expected_calibration_error(labels: ArrayLike, probabilities: ArrayLike, num_bins: int = 20) -> float:
    """Mean distance between the predicted and the observed rate, over bins of equal mass.

    Bins end at quantiles of the predictions, not at equal widths, because rates in recommendation
    crowd near zero; equal predictions always share a bin. Naeini et al., AAAI 2015; the equal-mass
    form is Nguyen and O'Connor, EMNLP 2015.

    Args:
        labels: 0/1 [N].
        probabilities: float [N] in [0, 1].
        num_bins: the most bins to use.

    Raises:
        MetricInputError: as `log_loss`, or num_bins is below 1.
    """
    labels_N, probabilities_N = _forecast(labels, probabilities)
    if num_bins < 1:
        raise MetricInputError(f"num_bins: expected 1 or more, got {num_bins}")
    inner_edges = np.quantile(probabilities_N, np.arange(1, num_bins) / num_bins, method="inverted_cdf")
    bins_N = np.searchsorted(inner_edges, probabilities_N, side="left")
    surplus_B = np.bincount(bins_N, weights=probabilities_N - labels_N, minlength=num_bins)
    return float(np.abs(surplus_B).sum() / len(labels_N))


def _middle_ranks(new_score_N: NDArray[np.bool_]) -> NDArray[np.float64]:
    """1-based rank of each row, the rows of a tie sharing the middle of their ranks."""
    starts = np.flatnonzero(new_score_N)
    lengths = np.diff(starts, append=len(new_score_N))
    return np.repeat(starts + (lengths + 1) / 2, lengths)


def _forecast(labels: ArrayLike, probabilities: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    labels_N = binary_labels(labels)
    probabilities_N = without_nan(
        "probabilities", column("probabilities", probabilities, np.float64, len(labels_N))
    )
    if not len(labels_N):
        raise MetricInputError("labels: expected at least one example, got none")
    if probabilities_N.min() < 0 or probabilities_N.max() > 1:
        raise MetricInputError(
            f"probabilities: expected values from 0 to 1, got {probabilities_N.min():g} to "
            f"{probabilities_N.max():g}; pass probabilities, not raw scores"
        )
    return labels_N, probabilities_N
