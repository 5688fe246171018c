"""The positives of a label: every event that is what the label wants, shown or not.

N rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from shortlist.declare.app import App
from shortlist.declare.expressions import Column, EventField
from shortlist.declare.labels import Label
from shortlist.declare.surface import Surface
from shortlist.features.attributes import attribute_encoding, attribute_rows
from shortlist.features.entities import EntityTable
from shortlist.features.evaluate import evaluate
from shortlist.features.offline import History, Requests
from shortlist.features.rows import Rows
from shortlist.features.values import Values
from shortlist.models.retrieval import Attributes, Interactions
from shortlist.offline.errors import OfflineError
from shortlist.offline.splits import Split, rolling_splits


def positives(history: History, label: Label) -> Rows | None:
    """Return the events that fulfil a label, in log order; None when there is none."""
    rows = history.events(label.event)
    if rows is None or label.condition is None:
        return rows
    requests = requests_before(history.app, rows)

    def read(column: Column) -> Values:
        if isinstance(column, EventField):
            return rows.fields[column.name]
        return history.evaluate(column, requests)

    met = np.broadcast_to(evaluate(label.condition, read).true(), len(rows))
    return rows.take(met) if met.any() else None


def requests_before(app: App, rows: Rows) -> Requests:
    """Return requests for the users and items of some events, as of just before each."""
    return Requests(
        rows.ids[app.user_entity.entity_name],
        rows.ids[app.item_entity.entity_name],
        rows.seqs - 1,
        rows.times_us,
        {name: _nothing(field.type, len(rows)) for name, field in app.request_context.fields.items()},
    )


def wanted_events(history: History, surface: Surface) -> list[tuple[Rows, float]]:
    """Return the positives of each label that a surface wants, and what one is worth.

    A surface that says nothing of worth wants all events between a user and an item.

    Raises:
        OfflineError: when there is none.
    """
    found: list[tuple[Rows, float]] = []
    worth: Mapping[Label, float] = {label: value for label, value in surface.value.items() if value > 0}
    for label, value in worth.items():
        if (rows := positives(history, label)) is not None:
            found.append((rows, value))
    if not worth:
        found = [(rows, 1.0) for rows in choices(history)]
    if not found:
        wanted = ", ".join(map(str, worth)) or "any event"
        raise OfflineError(
            f"surface {surface.surface_name}",
            expected=f"events in the log that fulfil {wanted}",
            received="none",
            mend="Import or log such events first, or check the labels' conditions with `shortlist check`.",
        )
    return found


def choices(history: History) -> list[Rows]:
    """Return the events of each kind by which a user touches an item."""
    pair = {history.app.user_entity, history.app.item_entity}
    events = [event for event in history.app.events.values() if pair <= set(event.entities)]
    return [rows for event in events if (rows := history.events(event)) is not None]


def event_splits(
    history: History, surfaces: Sequence[Surface], *, num_folds: int, valid: float, test: float
) -> list[Split]:
    """Split the time of the events that some surfaces want, where there are no trials to split.

    Raises:
        OfflineError: when there is none, or as `rolling_splits`.
    """
    found = [rows.times_us for surface in surfaces for rows, _ in wanted_events(history, surface)]
    times_us = np.sort(np.concatenate(found))
    end_us = history.last_log_time_us
    return rolling_splits(times_us, times_us, end_us, num_folds=num_folds, valid=valid, test=test)


def surface_interactions(history: History, surface: Surface) -> Interactions:
    """Return what a surface's sources learn from: the events it wants, weighted by their worth.

    Attributes of users and items are as of the end of the log.

    Raises:
        OfflineError: when there is none.
    """
    app = history.app
    found = wanted_events(history, surface)
    order = np.argsort(np.concatenate([rows.seqs for rows, _ in found]), kind="stable")

    def merged(parts: list[np.ndarray]) -> np.ndarray:
        return np.concatenate(parts)[order]

    user, item = app.user_entity.entity_name, app.item_entity.entity_name
    return Interactions(
        merged([rows.ids[user] for rows, _ in found]).astype(np.int32),
        merged([rows.ids[item] for rows, _ in found]).astype(np.int32),
        merged([rows.times_us for rows, _ in found]),
        merged([np.full(len(rows), value, np.float32) for rows, value in found]),
        item_ids=history.items.texts(),
        num_users=len(history.users),
        num_items=len(history.items),
        user_attributes=_attributes(history.tables[user]),
        item_attributes=_attributes(history.tables[item]),
    )


def _attributes(table: EntityTable) -> Attributes | None:
    """Return what the end of the log says of every id; None when that is nothing a model can use."""
    encoding = attribute_encoding(table)
    if encoding.num_columns == 0:
        return None
    return Attributes(attribute_rows(table, np.arange(len(table)), encoding), encoding)


def _nothing(type_: str, num_rows: int) -> Values:
    """Return a context field that no request brought."""
    null = Values.given(type_, None)  # type: ignore[arg-type]
    return Values(null.type, np.repeat(null.values, num_rows), np.zeros(num_rows, bool), null.vocabulary)
