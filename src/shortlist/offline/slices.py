"""Slices of a ranking: the same probabilities judged for new users, for new items, for each attribute.

N trials judged.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from shortlist.offline.dataset import Dataset
from shortlist.offline.evaluate import LabelScore, score_label
from shortlist.offline.evaluation.bands import item_bands, user_bands, value_bands


def trial_slices(
    dataset: Dataset, train: NDArray[np.int64], rows: NDArray[np.int64]
) -> dict[str, NDArray[np.int64]]:
    """Find which of the judged trials are of new users, of new items, and so on.

    Args:
        dataset: all trials.
        train: the trials that were learnt from: who and what is new, heavy or popular by them.
        rows: the trials judged.

    Returns:
        By the slice's name, its places in `rows`, int64, ascending. Attributes are the columns of
        `dataset` that hold one as it stands, such as "user.country", as of the trial.
    """
    users, items = dataset.trials.requests.users, dataset.trials.requests.items
    judged, user_of_row = np.unique(users[rows], return_inverse=True)
    num_trials = np.bincount(users[train], minlength=int(users.max(initial=0)) + 1)[judged]
    item_counts = np.bincount(items[train], minlength=int(items.max(initial=0)) + 1)
    found = {name: band[user_of_row] for name, band in user_bands(num_trials).items()}
    found |= {name: band[items[rows]] for name, band in item_bands(item_counts).items()}
    for number, column in enumerate(dataset.columns):
        # An aggregate is named as the call that declares it, an attribute has no call.
        if "(" not in column.name:
            values = dataset.features[rows, number]
            texts = dataset.encoding.categories.get(column.name) if column.categorical else None
            found |= value_bands(column.name, values, texts)
    return {name: np.flatnonzero(band) for name, band in found.items() if band.any()}


def score_slices(
    dataset: Dataset,
    label: str,
    rows: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    slices: Mapping[str, NDArray[np.int64]],
    *,
    seed: int = 0,
) -> dict[str, LabelScore]:
    """Judge the probabilities of each slice; a slice of one user alone is left out, having no interval.

    Args:
        dataset: all trials.
        label: which outcome the probabilities are of.
        rows: the trials judged.
        probabilities: float64 [N], of `rows`.
        slices: as `trial_slices` finds them.
        seed: of the intervals.
    """
    users = dataset.trials.requests.users
    return {
        name: score_label(dataset.trials, label, rows[places], probabilities[places], seed)
        for name, places in slices.items()
        if len(np.unique(users[rows[places]])) >= 2
    }
