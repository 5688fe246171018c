"""What the log says happened: outcomes to hold a column against, and counts of events by key.

Shape legend: N rows, K keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.declare.expressions import Column, EventField, Expression
from shortlist.features.evaluate import evaluate
from shortlist.features.offline import History, Requests
from shortlist.features.rows import Rows, joined
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
    """Events of one kind in log order, the impressions among the kinds.

    Attributes:
        rows: the log's.
        fields: what they brought, by name; of impressions nothing.
    """

    what: str
    rows: Rows
    fields: Mapping[str, Values]

    @property
    def codes(self) -> Mapping[str, NDArray[np.int64]]:
        """Keys by entity name, int64 [N]."""
        return self.rows.ids

    @property
    def times_us(self) -> NDArray[np.int64]:
        """When the log learned of them, int64 [N]."""
        return self.rows.times_us


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
            met = _met(history, label.condition, events)
            what = f"{name} of a {label.event}"
            found.append(Observed(what, events.ids, events.times_us, met.astype(np.float64)))
    return [one for one in found if np.unique(one.positive).size == 2]


def _met(history: History, condition: Expression, events: Rows) -> NDArray[np.bool_]:
    """Tell of which events a label's condition is true, bool [N]."""
    asked = requests_before(history.app, events)

    def read(column: Column) -> Values:
        if isinstance(column, EventField):
            return events.fields[column.name]
        return history.evaluate(column, asked)

    return np.broadcast_to(evaluate(condition, read).true(), len(events))


def happenings(history: History) -> list[Happened]:
    """Return every kind of event in the log, impressions among them."""
    app = history.app
    kinds = [*app.events.values(), app.impression]
    found = []
    for kind in kinds:
        rows = history.impressions if kind is app.impression else history.events(kind)
        if rows is not None and len(rows):
            fields = {} if kind is app.impression else rows.fields
            found.append(Happened(kind.event_name, rows, fields))
    return found


def counts(happened: Happened, entity: str, since_us: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Count the events of each key since its own moment, float64 [K]; None for another entity's events."""
    if entity not in happened.codes:
        return None
    codes = happened.codes[entity]
    after = happened.times_us >= since_us[codes]
    return np.bincount(codes[after], minlength=len(since_us)).astype(np.float64)


def beginnings(history: History, happened: list[Happened]) -> dict[str, Requests]:
    """Return by entity, user and item, requests as of just before the first event of each of its keys."""
    pair = {history.app.user_entity.entity_name, history.app.item_entity.entity_name}
    rows = joined([one.rows for one in happened if pair <= set(one.codes)])
    found = {}
    for entity in sorted(pair):
        first = np.unique(rows.ids[entity], return_index=True)[1]
        found[entity] = requests_before(history.app, rows.take(first))
    return found
