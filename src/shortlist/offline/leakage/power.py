"""Too good to be true: a single column that tells the outcome better than anything the log knew by then.

Results too good to be true are the first sign of a leak: Kaufman et al., "Leakage in Data Mining", TKDD 2012.
Here it has two measures: an area under the ROC curve near one, and one far above what a model of every
feature folded from the log reaches on the same label. The curve is of an out-of-fold model of one column, so
that a column with many values cannot learn its rows by heart.

Shape legend: N rows, F columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.metrics import auc
from shortlist.models.contract import Examples, FeatureColumn
from shortlist.models.logistic import Logistic

NEARLY_SURE = 0.95
FOLDED_NEARLY_SURE = 0.985  # of a feature folded from the log: then its events lie before their impression
AT_LEAST = 0.75
ABOVE_THE_LOG = 0.08  # a context column alone, above the model of all that is folded from the log
_NUM_FOLDS = 4
_MAX_BINS = 64
FEW = 30
"""Rows of either outcome without which a column is not held against it."""
_PRIOR = 5.0


@dataclass(frozen=True)
class Power:
    """The out-of-fold area under the curve, between its bounds, over how many rows."""

    value: float
    low: float
    num_rows: int


def power(
    numbers: NDArray[np.float64], labels: NDArray[np.float64], groups: NDArray[np.int64], width: float
) -> Power | None:
    """Return how well a column alone tells the label.

    Args:
        numbers: the column [N], NaN where unknown.
        labels: 0 or 1 [N].
        groups: int64 [N]; rows of a group are held out together.
        width: standard errors to the lower bound.

    Returns:
        None where there are too few rows of either outcome.
    """
    num_positives, num_rows = float(labels.sum()), len(labels)
    if min(num_positives, num_rows - num_positives) < FEW:
        return None
    bins = _bins(numbers)
    folds = _folds(groups)
    num_bins, rate = int(bins.max()) + 1, num_positives / num_rows
    told = np.empty(num_rows)
    for fold in range(_NUM_FOLDS):
        out = folds == fold
        seen = np.bincount(bins[~out], minlength=num_bins)
        good = np.bincount(bins[~out], weights=labels[~out], minlength=num_bins)
        # Smoothed towards one rate for all folds: a fold's own would tell who is in it.
        told[out] = ((good + _PRIOR * rate) / (seen + _PRIOR))[bins[out]]
    value = auc(labels.astype(np.int64), told)
    fewer = min(num_positives, num_rows - num_positives)
    error = np.sqrt(max(value * (1.0 - value), 1e-4) / fewer)  # no larger: Hanley and McNeil, Radiology 1982
    return Power(value, value - width * error, num_rows)


def log_power(
    features: NDArray[np.float32],
    columns: tuple[FeatureColumn, ...],
    labels: NDArray[np.float64],
    users: NDArray[np.int64],
) -> float:
    """Return the area under the curve of a model of all that is folded from the log, on the later half.

    Args:
        features: float32 [N, F], rows in order of time, the columns that are folded from the log.
        columns: what they are.
        labels: 0 or 1 [N].
        users: int64 [N].

    Returns:
        0.5 where there is nothing to learn from.
    """
    half = len(labels) // 2
    if len(columns) == 0 or min(np.unique(part).size for part in (labels[:half], labels[half:])) < 2:
        return 0.5
    learnt = Examples(features[:half], columns, labels[:half].astype(np.float32), users[:half])
    fitted = Logistic(l2=10.0).fit(learnt, None)
    return auc(labels[half:].astype(np.int64), fitted.predict(features[half:]))


def _bins(numbers: NDArray[np.float64]) -> NDArray[np.int64]:
    """Number a column's values: each its own where they are few, else by quantile; unknown is bin 0."""
    known = np.isfinite(numbers)
    values = np.unique(numbers[known])
    if len(values) > _MAX_BINS:
        edges = np.unique(np.quantile(numbers[known], np.linspace(0.0, 1.0, _MAX_BINS + 1)[1:-1]))
        values = np.append(edges, np.inf)
    return np.where(known, 1 + np.searchsorted(values, np.where(known, numbers, 0.0)), 0)


def _folds(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    random = np.random.default_rng(0)
    _, numbers = np.unique(groups, return_inverse=True)
    folds: NDArray[np.int64] = random.integers(0, _NUM_FOLDS, int(numbers.max()) + 1)[numbers]
    return folds
