"""What the point-in-time peers share: the columns asked for, and how sums become features."""

from __future__ import annotations

import numpy as np

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
SCALE = float(2**20)

# (window, tile) in microseconds, as the declaration's defaults choose them.
H1, D1, D7 = (HOUR_US, 60_000_000), (DAY_US, 900_000_000), (7 * DAY_US, HOUR_US)


def tail_us(times_us: np.ndarray, window: tuple[int, int]) -> np.ndarray:
    return (times_us - window[0]) // window[1] * window[1]


def matrix(
    user_counts: list[np.ndarray],
    user_step: np.ndarray,
    item_counts: list[np.ndarray],
    item_outcomes: tuple[np.ndarray, np.ndarray],
    all_outcomes: tuple[np.ndarray, np.ndarray],
    cross_count: np.ndarray,
) -> np.ndarray:
    """Finish the sums int64[N] into the float32[N, 8] that the declaration's features are."""
    with np.errstate(invalid="ignore"):
        mean = user_step.astype(np.float64) / (user_counts[2].astype(np.float64) * SCALE)
    shown, positive = (outcome.astype(np.float64) for outcome in item_outcomes)
    all_shown, all_positive = (outcome.astype(np.float64) for outcome in all_outcomes)
    rate = (positive + 20.0 * ((all_positive + 1.0) / (all_shown + 2.0))) / (shown + 20.0)
    columns = [*user_counts, mean, *item_counts, rate, cross_count]
    return np.column_stack(columns).astype(np.float32)
