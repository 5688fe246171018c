"""Splits by time: models learn from the past, stop by what came next, and are judged by what came last.

N rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from shortlist.offline.errors import OfflineError


@dataclass(frozen=True)
class Period:
    """Log times `[start_us, end_us)`."""

    start_us: int
    end_us: int

    def __str__(self) -> str:
        return f"{_moment(self.start_us)} to {_moment(self.end_us)}"


@dataclass(frozen=True)
class Split:
    """Three periods, each beginning where the one before it ends."""

    train: Period
    valid: Period
    test: Period


def split_at(start_us: int, valid_us: int, test_us: int, end_us: int) -> Split:
    """Split at explicit moments, UTC microseconds.

    Raises:
        OfflineError: when they do not follow one another.
    """
    if not start_us < valid_us < test_us < end_us:
        raise OfflineError(
            "split",
            expected="a training, a validation and a test period, one after the other",
            received=f"{_moment(start_us)}, {_moment(valid_us)}, {_moment(test_us)}, {_moment(end_us)}",
            mend="Choose moments that follow one another, or log more days.",
        )
    return Split(Period(start_us, valid_us), Period(valid_us, test_us), Period(test_us, end_us))


def split_by_share(times_us: NDArray[np.int64], *, valid: float = 0.1, test: float = 0.2) -> Split:
    """Split so that about these shares of the rows are validation and test, the latest being test.

    Rows of one moment, such as a slate, are never parted.

    Args:
        times_us: log times int64 [N], not decreasing.
        valid: share of the rows to stop by.
        test: share of the rows to judge by.

    Raises:
        OfflineError: when the shares leave nothing to learn from, or the rows are too few moments.
    """
    return rolling_splits(times_us, num_folds=1, valid=valid, test=test)[0]


def rolling_splits(
    times_us: NDArray[np.int64], *, num_folds: int, valid: float = 0.1, test: float = 0.2
) -> list[Split]:
    """Cut the last rows into test periods that follow one another, each with all the past before it.

    Tashman, "Out-of-sample tests of forecasting accuracy", IJF 2000: rolling origins.

    Args:
        times_us: log times int64 [N], not decreasing.
        num_folds: how many test periods.
        valid: share of all rows in each validation period, the one before a test period.
        test: share of all rows in each test period.

    Raises:
        OfflineError: as `split_by_share`.
    """
    if num_folds < 1 or valid <= 0 or test <= 0 or valid + num_folds * test >= 1:
        raise OfflineError(
            "split",
            expected="one fold or more, and shares above 0 that leave rows to learn from",
            received=f"{num_folds} folds, validation {valid:g}, test {test:g}",
            mend="valid=0.1 and test=0.2 suit one fold, test=0.1 suits three.",
        )
    num_rows = len(times_us)
    if num_rows == 0:
        raise OfflineError("split", expected="rows", received="none", mend="Log or import events first.")
    end_us = int(times_us[-1]) + 1

    def moment(share: float) -> int:
        return end_us if share >= 1 else int(times_us[int(share * num_rows)])

    splits = []
    for fold in range(num_folds):
        test_end = 1.0 - (num_folds - 1 - fold) * test
        test_start = test_end - test
        ends_last = fold == num_folds - 1
        splits.append(
            split_at(
                int(times_us[0]),
                moment(test_start - valid),
                moment(test_start),
                end_us if ends_last else moment(test_end),
            )
        )
    return splits


def _moment(time_us: int) -> str:
    return datetime.fromtimestamp(time_us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
