"""What a model must beat: the same probability for everything, and each item's own rate.

N trials, I items.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist.offline.trials import Trials

PRIOR_TRIALS = 20.0


def rate_probabilities(
    trials: Trials, label: str, train: NDArray[np.int64], rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the share of positives in training as the probability of every row, float64 [N]."""
    return np.full(len(rows), _rate(trials.positive[label][train]))


def popularity_probabilities(
    trials: Trials, label: str, train: NDArray[np.int64], rows: NDArray[np.int64], num_items: int
) -> NDArray[np.float64]:
    """Return the share of positives of each row's item in training, the same for every user, float64 [N].

    Smoothed with `PRIOR_TRIALS` trials at the rate of all items.
    """
    positive, items = trials.positive[label][train], trials.requests.items
    num_positive = np.bincount(items[train], weights=positive, minlength=num_items)
    num_trials = np.bincount(items[train], minlength=num_items)
    rates = (num_positive + PRIOR_TRIALS * _rate(positive)) / (num_trials + PRIOR_TRIALS)
    return np.asarray(rates[items[rows]], np.float64)


def _rate(positive: NDArray[np.float32]) -> float:
    return float((positive.sum(dtype=np.float64) + 1.0) / (len(positive) + 2.0))
