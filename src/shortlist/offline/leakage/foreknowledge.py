"""Foreknowledge: a value that was there before a key's first event, and yet follows what then happened to it.

When a total is counted over the whole period and brought in as known from the start, it stands beside keys
that had no past yet. Nothing that was counted by then can tell them apart; what tells how much would happen
to them, or how well they would be received, in the later half as well as in the earlier, was counted after
(Kaufman et al., "Leakage in Data Mining", TKDD 2012: the no-time-machine requirement). The sizes from which
on a column is accused were chosen on MovieLens, KuaiRand and the simulated platform: above what attributes
reach that were known before, below what KuaiRand's counters reach.

How closely a column follows the true rate of a key is measured by rank correlation with the observed rate,
corrected for the chance in it: Spearman, "The Proof and Measurement of Association between Two Things",
American Journal of Psychology 1904; the reliability is that of two random halves, put together by
Spearman and Brown.

Shape legend: N rows, K keys.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.offline.leakage.association import lower_bound, spearman
from shortlist.offline.leakage.observations import Happened, Observed
from shortlist.offline.leakage.suspects import Fixed

COUNTER_FOLLOWS = 0.25  # a column that is never negative and rises with the count, as counters do
COLUMN_FOLLOWS = 0.5
RATE_FOLLOWS = 0.4
LASTING = 0.75  # later half over earlier: what was known before fades, what was counted after does not
_MIN_KEYS = 100
_MIN_VALUES = 3
_MIN_ROWS = 10
_LEAST_RELIABILITY = 0.1


@dataclass(frozen=True)
class Foreknown:
    """How closely a column follows what happened: in all, in the earlier and later half, and at least."""

    what: str
    correlation: float
    early: float
    late: float
    low: float
    num_keys: int


def follows_counts(fixed: Fixed, happened: Happened, width: float) -> Foreknown | None:
    """Hold a column against the number of events of keys that had no past; None where too few."""
    if fixed.entity not in happened.codes:
        return None
    keys = _keys(fixed)
    if keys is None:
        return None
    values, codes = fixed.values[keys], happened.codes[fixed.entity]
    middle_us = np.median(happened.times_us)
    is_late = happened.times_us >= middle_us
    early = np.bincount(codes[~is_late], minlength=len(fixed.values))[keys].astype(np.float64)
    late = np.bincount(codes[is_late], minlength=len(fixed.values))[keys].astype(np.float64)
    correlation = spearman(values, early + late)
    low = lower_bound(correlation, len(keys), width)
    return Foreknown(
        happened.what, correlation, spearman(values, early), spearman(values, late), low, len(keys)
    )


def counts_foreknown(found: Foreknown, fixed: Fixed) -> bool:
    """Tell whether a column knows how much would happen."""
    is_counter = found.correlation > 0 and bool(np.nanmin(fixed.values) >= 0)
    lasts = np.sign(found.early) * found.late >= LASTING * abs(found.early)
    return bool(lasts) and found.low > (COUNTER_FOLLOWS if is_counter else COLUMN_FOLLOWS)


def follows_rate(fixed: Fixed, observed: Observed, width: float) -> Foreknown | None:
    """Hold a column against the rate of outcomes of keys that had no past; None where too few."""
    keys = _keys(fixed)
    if keys is None or fixed.entity not in observed.codes:
        return None
    codes, num_keys = observed.codes[fixed.entity], len(fixed.values)

    def rates(rows: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        numbers = np.bincount(codes[rows], minlength=num_keys)
        good = np.bincount(codes[rows], weights=observed.positive[rows], minlength=num_keys)
        return good / np.maximum(numbers, 1), numbers

    everything = np.ones(len(codes), bool)
    rate, numbers = rates(everything)
    keys = keys[numbers[keys] >= _MIN_ROWS]
    if len(keys) < _MIN_KEYS:
        return None
    is_first = np.random.default_rng(0).random(len(codes)) < 0.5
    (one, _), (other, _) = rates(is_first), rates(~is_first)
    agreement = spearman(one[keys], other[keys])
    if lower_bound(agreement, len(keys), width) <= 0 or agreement < _LEAST_RELIABILITY:
        return None  # what the keys come to is chance alone: nothing can follow it
    exact = np.sqrt(2.0 * agreement / (1.0 + agreement))
    is_late = observed.times_us >= np.median(observed.times_us)
    (early, early_n), (late, late_n) = rates(~is_late), rates(is_late)
    both = keys[(early_n[keys] > 0) & (late_n[keys] > 0)]
    correlation = spearman(fixed.values[keys], rate[keys])
    return Foreknown(
        observed.what,
        correlation / exact,
        spearman(fixed.values[both], early[both]),
        spearman(fixed.values[both], late[both]),
        lower_bound(correlation, len(keys), width) / exact,
        len(keys),
    )


def rate_foreknown(found: Foreknown) -> bool:
    """Tell whether a column knows how well a key would be received."""
    return found.low > RATE_FOLLOWS and np.sign(found.early) * found.late >= LASTING * abs(found.early)


def _keys(fixed: Fixed) -> NDArray[np.int64] | None:
    keys = np.flatnonzero(fixed.from_the_start)
    enough = len(keys) >= _MIN_KEYS and np.unique(fixed.values[keys]).size >= _MIN_VALUES
    return keys if enough else None
