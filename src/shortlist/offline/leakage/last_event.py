"""The last word: a value that is what a key's last event brought, and stands beside its first one.

An attribute that was read at the end of the data and brought in as known before, such as a user's last topic,
agrees with the last event of its key more often than with those before it. A taste that was known from the
start agrees with all of them alike.

Shape legend: E events, K keys.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.offline.leakage.suspects import Fixed

MORE_OFTEN = 0.15
_MIN_KEYS = 60


@dataclass(frozen=True)
class LastWord:
    """How often a column equals what the last event brought, and what those before it did."""

    last: float
    before: float
    z: float
    num_keys: int


def last_word(
    fixed: Fixed, codes: NDArray[np.int64], brought: NDArray[np.float64], told: NDArray[np.float64]
) -> LastWord | None:
    """Compare a column with what events brought, the last of each key against those before it.

    Args:
        fixed: the column.
        codes: the key of each event, int64 [E], in log order.
        brought: what each event brought, float64 [E]; NaN where nothing.
        told: the column's values [K] in the terms of `brought`.

    Returns:
        None where too few keys have a value and two events.
    """
    rows = np.flatnonzero(np.isfinite(brought) & np.isfinite(told[codes]) & fixed.from_the_start[codes])
    codes, equal = codes[rows], (brought[rows] == told[codes[rows]]).astype(np.float64)
    numbers = np.bincount(codes, minlength=len(told))
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(numbers) - 1
    keys = np.flatnonzero(numbers >= 2)
    if len(keys) < _MIN_KEYS:
        return None
    last = equal[order[ends[keys]]]
    before = (np.bincount(codes, weights=equal, minlength=len(told))[keys] - last) / (numbers[keys] - 1)
    more = last - before
    error = max(float(more.std()) / np.sqrt(len(keys)), 1e-9)
    return LastWord(float(last.mean()), float(before.mean()), float(more.mean()) / error, len(keys))
