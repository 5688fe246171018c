"""Splits by time: models learn from the past, stop by what came next, and are judged by what came last.

N trials.
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
    """Three periods, each beginning where the one before it ends.

    What is learnt from, or stopped by, must have been settled when the test period begins; an outcome of
    the test period itself may settle until `judged_us`.
    """

    train: Period
    valid: Period
    test: Period
    judged_us: int

    @property
    def learnt_us(self) -> int:
        """The moment at which the models could have been made."""
        return self.test.start_us


def split_at(start_us: int, valid_us: int, test_us: int, end_us: int, judged_us: int | None = None) -> Split:
    """Split at explicit moments, UTC microseconds.

    Args:
        start_us: where training begins.
        valid_us: where validation begins.
        test_us: where the test begins.
        end_us: where it ends.
        judged_us: until when outcomes of the test may settle; by default until it ends.

    Raises:
        OfflineError: when the moments do not follow one another.
    """
    if not start_us < valid_us < test_us < end_us:
        raise OfflineError(
            "split",
            expected="a training, a validation and a test period, one after the other",
            received=f"{_moment(start_us)}, {_moment(valid_us)}, {_moment(test_us)}, {_moment(end_us)}",
            mend="Choose moments that follow one another, or log more days.",
        )
    judged_us = end_us if judged_us is None else judged_us
    return Split(Period(start_us, valid_us), Period(valid_us, test_us), Period(test_us, end_us), judged_us)


def split_by_share(
    times_us: NDArray[np.int64],
    settled_us: NDArray[np.int64],
    judged_us: int,
    *,
    valid: float = 0.1,
    test: float = 0.2,
) -> Split:
    """Split so that about these shares of the trials are validation and test, the latest being test.

    See `rolling_splits`, of which this is one fold.
    """
    return rolling_splits(times_us, settled_us, judged_us, num_folds=1, valid=valid, test=test)[0]


def rolling_splits(
    times_us: NDArray[np.int64],
    settled_us: NDArray[np.int64],
    judged_us: int,
    *,
    num_folds: int,
    valid: float = 0.1,
    test: float = 0.2,
) -> list[Split]:
    """Cut the last trials into test periods that follow one another, each with all the past before it.

    Shares are of the trials that are settled in time, so that a label which takes a day to settle leaves
    no period without outcomes. Trials of one moment, such as a slate, are never parted. Tashman,
    "Out-of-sample tests of forecasting accuracy", IJF 2000: rolling origins.

    Args:
        times_us: log times int64 [N], not decreasing.
        settled_us: int64 [N], from when on all outcomes of a trial are known.
        judged_us: the end of the log.
        num_folds: how many test periods.
        valid: share of the trials in each validation period, the one before a test period.
        test: share of the trials in each test period.

    Raises:
        OfflineError: when the shares leave nothing to learn from, or the log is too short.
    """
    if num_folds < 1 or valid <= 0 or test <= 0 or valid + num_folds * test >= 1:
        raise OfflineError(
            "split",
            expected="one fold or more, and shares above 0 that leave trials to learn from",
            received=f"{num_folds} folds, validation {valid:g}, test {test:g}",
            mend="valid=0.1 and test=0.2 suit one fold, test=0.1 suits three.",
        )
    judged_times_us = times_us[settled_us <= judged_us]
    bounds = [
        _moment_at(judged_times_us, 1.0 - (num_folds - fold) * test, judged_us) for fold in range(num_folds)
    ]
    bounds.append(int(judged_times_us[-1]) + 1)
    splits = []
    for fold, test_us in enumerate(bounds[:-1]):
        learnt_times_us = times_us[settled_us <= test_us]
        before = 1.0 - (num_folds - fold) * test
        valid_us = _moment_at(learnt_times_us, 1.0 - valid / before, test_us)
        splits.append(split_at(int(times_us[0]), valid_us, test_us, bounds[fold + 1], judged_us))
    return splits


def _moment_at(times_us: NDArray[np.int64], share: float, settled_by_us: int) -> int:
    """Return the time before which a share of the trials lies."""
    if len(times_us) == 0:
        raise OfflineError(
            "split",
            expected=f"trials whose outcomes were settled by {_moment(settled_by_us)}",
            received="none",
            mend="An outcome settles when the label's window has passed: log more days, or shorten `within`.",
        )
    return int(times_us[int(share * len(times_us))])


def _moment(time_us: int) -> str:
    return datetime.fromtimestamp(time_us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
