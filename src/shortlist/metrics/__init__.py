"""How good a ranking, a probability or a set of slates is, and how sure we are of it.

`ranking` puts lists in the order of their scores, `positive_ranks` judges where the good ones stand in
them, `classification` judges scores against yes-or-no labels, `slate` judges what was served as a whole,
`intervals` says how far chance alone could move a figure.
"""

from __future__ import annotations

from shortlist.metrics.classification import auc, expected_calibration_error, gauc, log_loss
from shortlist.metrics.intervals import Interval, bootstrap_mean, paired_difference
from shortlist.metrics.mean import Mean, MetricInputError
from shortlist.metrics.positive_ranks import PositiveRanks
from shortlist.metrics.ranking import RankedLists
from shortlist.metrics.slate import coverage, gini, intra_list_diversity, novelty

__all__ = [
    "Interval",
    "Mean",
    "MetricInputError",
    "PositiveRanks",
    "RankedLists",
    "auc",
    "bootstrap_mean",
    "coverage",
    "expected_calibration_error",
    "gauc",
    "gini",
    "intra_list_diversity",
    "log_loss",
    "novelty",
    "paired_difference",
]
