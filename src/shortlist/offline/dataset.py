"""A training set: trials with their features as of each, and the examples of a label in a period.

N trials, F feature columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.declare.labels import Label
from shortlist.features.encoders import Encoding
from shortlist.features.offline import History
from shortlist.log.protocol import EventLog
from shortlist.models.contract import Examples, FeatureColumn
from shortlist.offline.errors import OfflineError
from shortlist.offline.negatives import sampled_trials
from shortlist.offline.positives import positives
from shortlist.offline.splits import Period
from shortlist.offline.trials import Trials, shown_trials

ENOUGH_IMPRESSIONS = 100_000
"""So many impressions are learned from however many positives came before the first of them."""


@dataclass(frozen=True)
class Dataset:
    """Trials and their features float32 [N, F], a row each, in log order."""

    trials: Trials
    features: NDArray[np.float32]
    columns: tuple[FeatureColumn, ...]
    encoding: Encoding

    def examples(self, label: str, rows: NDArray[np.int64]) -> Examples:
        """Return some trials as examples of a label; their groups are users."""
        return Examples(
            self.features[rows],
            self.columns,
            self.trials.positive[label][rows],
            self.trials.requests.users[rows],
        )


def read_trials(history: History, log: EventLog, labels: Sequence[Label], seed: int = 0) -> Trials:
    """Take the impressions as trials; where they tell too little, draw negatives beside the positives.

    A log whose history came without impressions is learned from by drawing, until as many impressions
    were logged since as there were positives before the first, or `ENOUGH_IMPRESSIONS`: what was really
    shown and passed over teaches more than any draw.

    Raises:
        OfflineError: when the log has neither impressions nor positives.
    """
    if history.last_seq == 0:
        raise OfflineError(
            "log",
            expected="events to learn from",
            received="an empty log",
            mend="Import history (`shortlist import`) or simulate some (`shortlist world`).",
        )
    shown = history.impressions
    if shown is None or len(shown) < min(
        ENOUGH_IMPRESSIONS, _num_positives_before(history, labels, int(shown.seqs[0]))
    ):
        return sampled_trials(history, log, labels, seed=seed)
    return shown_trials(history, labels)


def _num_positives_before(history: History, labels: Sequence[Label], seq: int) -> int:
    found = [rows for label in labels if (rows := positives(history, label)) is not None]
    return sum(int((rows.seqs < seq).sum()) for rows in found)


def make_dataset(history: History, trials: Trials, train: Period) -> Dataset:
    """Compute the features of all trials, each as of its own moment.

    Args:
        history: the log.
        trials: what was tried.
        train: the categories of text columns are numbered from the trials of this period alone.

    Raises:
        OfflineError: when the declaration has no feature that makes a column.
    """
    if not history.plan.names:
        raise OfflineError(
            f"app {history.app.name}",
            expected="a feature or more for the ranker to learn from",
            received="none",
            mend="Declare some: app.features(sl.count(...), ...), or leave the surface's ranker out.",
        )
    inside = (trials.times_us >= train.start_us) & (trials.times_us < train.end_us)
    encoding = history.fit_encoding(trials.requests.take(inside))
    features = history.features(trials.requests, encoding)
    return Dataset(trials, features, feature_columns(encoding), encoding)


def feature_columns(encoding: Encoding) -> tuple[FeatureColumn, ...]:
    """Describe an encoding's columns for the models; a text column without categories is all missing."""
    sizes = {name: len(texts) for name, texts in encoding.categories.items()}
    return tuple(
        FeatureColumn(name, categorical=sizes.get(name, 0) > 0, cardinality=sizes.get(name, 0))
        for name in encoding.names
    )
