"""What the log says happened: outcomes to hold a column against, and counts of events by key.

Shape legend: N rows, K keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.declare.expressions import Column, EventField
from shortlist.features.evaluate import evaluate
from shortlist.features.offline import History
from shortlist.features.values import Values
from shortlist.offline.positives import requests_before
from shortlist.offline.trials import Trials


@dataclass(frozen=True)
class Observed:
    """Rows that came out well or not, in log order.

    Attributes:
        what: the outcome, for people to read.
        codes: by entity name, int64 [N].
        times_us: int64 [N].
        positive: float64 [N], 0 or 1.
    """

    what: str
    codes: Mapping[str, NDArray[np.int64]]
    times_us: NDArray[np.int64]
    positive: NDArray[np.float64]


@dataclass(frozen=True)
class Happened:
    """Events of one kind: their keys by entity name and their moments, int64 [N], in log order."""

    what: str
    codes: Mapping[str, NDArray[np.int64]]
    times_us: NDArray[np.int64]
    fields: Mapping[str, Values]


def outcomes(history: History, trials: Trials) -> list[Observed]:
    """Return the settled impressions by label, and the events that a label's condition judges.

    Drawn negatives were never shown, so that sampled trials are no outcomes.
    """
    app = history.app
    user, item = app.user_entity.entity_name, app.item_entity.entity_name
    found = []
    for name, label in app.labels.items():
        if trials.sampling is None and name in trials.positive:
            rows = np.flatnonzero(trials.known_us[name] <= history.last_log_time_us)
            codes = {user: trials.requests.users[rows], item: trials.requests.items[rows]}
            positive = trials.positive[name][rows].astype(np.float64)
            found.append(Observed(f"{name} of an impression", codes, trials.times_us[rows], positive))
        events = history.events(label.event)
        if label.condition is not None and events is not None:
            asked = requests_before(app, events)

            def read(column: Column, events=events, asked=asked) -> Values:  # type: ignore[no-untyped-def]
                if isinstance(column, EventField):
                    return events.fields[column.name]
                return history.evaluate(column, asked)

            met = np.broadcast_to(evaluate(label.condition, read).true(), len(events))
            what = f"{name} of a {label.event}"
            found.append(Observed(what, events.ids, events.times_us, met.astype(np.float64)))
    return [one for one in found if 0 < one.positive.mean() < 1]


def happenings(history: History) -> list[Happened]:
    """Return every kind of event in the log, impressions among them."""
    app = history.app
    kinds = [*app.events.values(), app.impression]
    found = []
    for kind in kinds:
        rows = history.impressions if kind is app.impression else history.events(kind)
        if rows is not None and len(rows):
            fields = {} if kind is app.impression else rows.fields
            found.append(Happened(kind.event_name, rows.ids, rows.times_us, fields))
    return found


def counts(happened: Happened, entity: str, since_us: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Count the events of each key since its own moment, float64 [K]; None for another entity's events."""
    if entity not in happened.codes:
        return None
    codes = happened.codes[entity]
    after = happened.times_us >= since_us[codes]
    return np.bincount(codes[after], minlength=len(since_us)).astype(np.float64)
