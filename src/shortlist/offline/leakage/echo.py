"""An echo of what followed: a column of the request that repeats a field of the event the request led to.

Shape legend: N rows, E events.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist.offline.leakage.association import lower_bound, spearman
from shortlist.offline.leakage.observations import Happened
from shortlist.offline.trials import Trials

SUSPICIOUS = 0.8
_FEW = 100


def led_to(trials: Trials, happened: Happened, user: str, item: str, within_us: int) -> NDArray[np.int64]:
    """Return for each event the trial of the same user and item that it last followed in time, -1 if none."""
    asked, times = trials.requests, trials.times_us
    num_items = 1 + max(int(asked.items.max()), int(happened.codes[item].max()))
    pairs_N = asked.users * num_items + asked.items
    pairs_E = happened.codes[user] * num_items + happened.codes[item]
    order = np.lexsort((times, pairs_N))
    names = np.unique(np.concatenate([pairs_N, pairs_E]))
    # One number for pair and moment keeps both in order.
    start, length = int(min(times.min(), happened.times_us.min())), 1 + int(
        max(times.max(), happened.times_us.max()) - min(times.min(), happened.times_us.min())
    )  # fmt: skip
    places_N = np.searchsorted(names, pairs_N[order]).astype(np.float64) * length + (times[order] - start)
    places_E = np.searchsorted(names, pairs_E).astype(np.float64) * length + (happened.times_us - start)
    last = np.searchsorted(places_N, places_E, side="right") - 1
    rows = order[np.maximum(last, 0)]
    fits = (last >= 0) & (pairs_N[rows] == pairs_E) & (happened.times_us - times[rows] <= within_us)
    return np.where(fits, rows, -1)


def loudest_echo(
    numbers: NDArray[np.float64], trials_of_events: NDArray[np.int64], happened: Happened, width: float
) -> tuple[str, float, float] | None:
    """Return the field that a column repeats most, the rank correlation and its lower bound.

    Args:
        numbers: the column as of each trial [N].
        trials_of_events: int64 [E], from `led_to`.
        happened: the events.
        width: standard errors to the lower bound.
    """
    best = None
    for name, field in happened.fields.items():
        if field.type not in ("float", "int"):
            continue
        told, seen = numbers[trials_of_events], field.number()
        both = (trials_of_events >= 0) & np.isfinite(told) & np.isfinite(seen)
        if both.sum() < _FEW:
            continue
        correlation = spearman(told[both], seen[both])
        low = lower_bound(correlation, int(both.sum()), width)
        if best is None or low > best[2]:
            best = (f"{happened.what}.{name}", correlation, low)
    return best
