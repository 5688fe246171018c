"""Less than chance: given the column, what came of a key varies less than any draw of the same odds would.

Whatever is known beforehand, a user, an item, can tell the odds p of what follows and no more; the outcomes
still are draws. Given a column A known before, the mean of n outcomes varies about E[mean | A] by
p (1 - p) / n of chance, and by more where A does not say all; a count by its own mean, as Poisson's. So

    observed variance about E[. | A] / variance of chance >= 1,

with equality for the best conceivable A. A statistic that was computed from the very outcomes repeats their
chance, and the ratio falls towards 0, with few rows a key as with many. It is how a test for too good a fit
works (Fisher, "Has Mendel's work been rediscovered?", Annals of Science 1936), turned on what Kaufman et al.,
"Leakage in Data Mining", TKDD 2012, call a feature that is not legitimate for its target.

Shape legend: K keys.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.offline.leakage.association import bound_width, neighbours_say

_MIN_KEYS = 60
_KEYS_A_STRATUM = 50
_MOST_STRATA = 10
_FEW_POSITIVES = 20
_LEAST_VARIANCE = 0.02  # of the variance without the column: where less is left, the column says all
SUSPICIOUS_RATIO = 0.7
_PLAIN_RATIO = 0.9  # without the column: where chance itself is held down, nothing can be said


@dataclass(frozen=True)
class Dispersion:
    """The variance ratio given a column, without it, how sure it is below 1, and over how many keys."""

    ratio: float
    plain: float
    z: float
    num_keys: int

    def is_below_chance(self, num_questions: int) -> bool:
        """Tell whether the column repeats the chance of what it should only foretell."""
        sure = self.z > bound_width(num_questions)
        return self.plain >= _PLAIN_RATIO and self.ratio < SUSPICIOUS_RATIO and sure


def rate_dispersion(
    values: NDArray[np.float64], positives: NDArray[np.float64], numbers: NDArray[np.float64]
) -> Dispersion | None:
    """Hold a column against the outcomes of each key.

    Keys with about as many rows are compared with one another: a smoothed mean depends on their number too.

    Args:
        values: the column [K], NaN where unknown.
        positives: of each key's rows [K].
        numbers: of rows [K].

    Returns:
        None where there are too few keys or positives.
    """
    keys = np.flatnonzero(np.isfinite(values) & (numbers > 0))
    if len(keys) < _MIN_KEYS:
        return None
    keys = keys[np.argsort(numbers[keys], kind="stable")]
    given, plain = [], []
    for stratum in np.array_split(keys, _num_strata(len(keys))):
        n_K, mean_K = numbers[stratum], positives[stratum] / numbers[stratum]
        rate = float(positives[stratum].sum() / n_K.sum())
        if min(rate, 1.0 - rate) * n_K.sum() < _FEW_POSITIVES:
            continue
        told_K = np.clip(neighbours_say(values[stratum], mean_K, n_K), 0.0, 1.0)
        floor = _LEAST_VARIANCE * rate * (1.0 - rate)
        chance_K = np.maximum(told_K * (1.0 - told_K), floor)
        given.append((n_K * (mean_K - told_K) ** 2, chance_K))
        plain.append((n_K * (mean_K - rate) ** 2, np.full(len(stratum), rate * (1.0 - rate))))
    return _dispersion(given, plain)


def count_dispersion(values: NDArray[np.float64], counts: NDArray[np.float64]) -> Dispersion | None:
    """Hold a column against the number of events of each key; see `rate_dispersion`."""
    keys = np.flatnonzero(np.isfinite(values))
    if len(keys) < _MIN_KEYS or counts[keys].sum() < len(keys):
        return None
    keys = keys[np.argsort(values[keys], kind="stable")]
    told_K = np.maximum(neighbours_say(values[keys], counts[keys], np.ones(len(keys))), 0.0)
    given, plain = [], []
    for rows in np.array_split(np.arange(len(keys)), _num_strata(len(keys))):
        seen_K, mean = counts[keys[rows]], float(counts[keys].mean())
        if seen_K.sum() < _FEW_POSITIVES:
            continue
        given.append(((seen_K - told_K[rows]) ** 2, np.maximum(told_K[rows], _LEAST_VARIANCE)))
        plain.append(((seen_K - mean) ** 2, np.full(len(rows), mean)))
    return _dispersion(given, plain)


def _num_strata(num_keys: int) -> int:
    return int(np.clip(num_keys // _KEYS_A_STRATUM, 1, _MOST_STRATA))


def _dispersion(
    given: list[tuple[NDArray[np.float64], NDArray[np.float64]]],
    plain: list[tuple[NDArray[np.float64], NDArray[np.float64]]],
) -> Dispersion | None:
    """Take the middle of the strata's ratios: a few keys that lie far off do not decide."""
    num_keys = sum(len(squares) for squares, _ in given)
    if num_keys < _MIN_KEYS:
        return None
    ratios, zs = [], []
    for squares_K, chance_K in given:
        ratio = float(squares_K.sum() / chance_K.sum())
        errors_K = squares_K - ratio * chance_K
        error = float(np.sqrt((errors_K**2).sum()) / chance_K.sum())
        ratios.append(ratio)
        # A ratio of draws cannot be surer than that of as many normal ones.
        zs.append((1.0 - ratio) / max(error, np.sqrt(2.0 / len(squares_K))))
    overall = sum(float(squares.sum()) for squares, _ in plain) / sum(float(one.sum()) for _, one in plain)
    return Dispersion(float(np.median(ratios)), overall, float(np.sum(zs) / np.sqrt(len(zs))), num_keys)
