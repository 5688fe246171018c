"""Trials: what was tried, an item for a user, as of when; and what came of it, and since when that is known.

N trials.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.declare.labels import Label
from shortlist.features.offline import History, Requests
from shortlist.features.rows import Rows
from shortlist.log.columns import NULL_INT
from shortlist.offline.splits import Period

SAMPLED_LIST = "sampled list"
"""The kind of a list that was drawn, not shown: it has no logged order."""

NEVER_US = int(np.iinfo(np.int64).max)
DAY_US = 86_400_000_000


@dataclass(frozen=True)
class Trials:
    """Trials in log order.

    Args:
        requests: who, what, and as of when.
        times_us: int64 [N], when the log learned of each; not decreasing.
        positive: by label, float32 [N] in {0, 1}.
        known_us: by label, int64 [N]: from when on the outcome is settled; `NEVER_US` where the trial
            says nothing of the label.
        lists: int64 [N]; trials with the same number were choices of one moment, to be ordered.
        places: int64 [N], the place in its list at which a trial was shown, from 1.
        list_kind: what a list is, for people to read.
        sampling: how the negatives were drawn, for people to read; None when all were really shown.
    """

    requests: Requests
    times_us: NDArray[np.int64]
    positive: Mapping[str, NDArray[np.float32]]
    known_us: Mapping[str, NDArray[np.int64]]
    lists: NDArray[np.int64]
    places: NDArray[np.int64]
    list_kind: str
    sampling: str | None = None

    def __len__(self) -> int:
        return len(self.requests)

    @property
    def settled_us(self) -> NDArray[np.int64]:
        """From when on all outcomes that a trial speaks of are known, int64 [N]."""
        known = np.stack(list(self.known_us.values()))
        settled: NDArray[np.int64] = np.where(known == NEVER_US, -1, known).max(axis=0)
        return settled

    def rows(self, label: str, period: Period, settled_by_us: int) -> NDArray[np.int64]:
        """Return the trials of a period whose outcome was settled by a moment.

        A positive alone would be known sooner than the negatives beside it; to take it then would
        teach a rate that is too high.
        """
        return self._within(period, self.known_us[label] <= settled_by_us)

    def settled_rows(self, period: Period, settled_by_us: int) -> NDArray[np.int64]:
        """Return the trials of a period of which every outcome was settled by a moment."""
        return self._within(period, self.settled_us <= settled_by_us)

    def _within(self, period: Period, kept: NDArray[np.bool_]) -> NDArray[np.int64]:
        inside = (self.times_us >= period.start_us) & (self.times_us < period.end_us)
        return np.flatnonzero(inside & kept)


def shown_trials(history: History, labels: Sequence[Label]) -> Trials:
    """Make a trial of each impression.

    Args:
        history: a log with impressions.
        labels: what to learn.
    """
    impressions = history.impressions
    assert impressions is not None, "the log holds no impressions"
    requests = history.impression_requests()
    lists, list_kind = _lists(impressions, requests)
    return Trials(
        requests,
        impressions.times_us,
        {label.label_name: history.outcomes(label).positive for label in labels},
        {label.label_name: impressions.times_us + label.within_us for label in labels},
        lists,
        _places(impressions),
        list_kind,
    )


def _lists(impressions: Rows, requests: Requests) -> tuple[NDArray[np.int64], str]:
    """Number the slates; where a request was logged one item at a time, a user's days."""
    given = impressions.fields["request_id"]
    lists = _numbered(
        np.where(
            given.known[:, None],
            np.stack([np.full(len(requests), -1), given.values], axis=1),
            np.stack([requests.users, requests.times_us], axis=1),
        )
    )
    if len(lists) < 1.5 * (lists.max() + 1):
        days = np.stack([requests.users, requests.times_us // DAY_US], axis=1)
        return _numbered(days), "user's day"
    return lists, "slate"


def _numbered(keys: NDArray[np.int64]) -> NDArray[np.int64]:
    order = np.lexsort(keys.T)
    is_new = np.ones(len(keys), bool)
    is_new[1:] = (keys[order[1:]] != keys[order[:-1]]).any(axis=1)
    numbers = np.empty(len(keys), np.int64)
    numbers[order] = np.cumsum(is_new) - 1
    return numbers


def _places(impressions: Rows) -> NDArray[np.int64]:
    position = impressions.fields["position"]
    in_log_order = np.arange(1, len(impressions) + 1)
    return np.where(position.known & (position.values != NULL_INT), position.values, in_log_order)
