"""What every adapter's sources must satisfy, whatever the data."""

from __future__ import annotations

import numpy as np

from shortlist.declare.app import App
from shortlist.features.schema import log_schemas
from shortlist.log import HistorySource, ImportReport, SqliteLog

_UNIT_US = {"us": 1, "ms": 1_000, "s": 1_000_000}


def column(source: HistorySource, name: str) -> np.ndarray:
    return np.asarray(source.source[name])


def times_us(source: HistorySource) -> np.ndarray:
    return column(source, source.time).astype(np.int64) * _UNIT_US[source.time_unit]


def num_rows(source: HistorySource) -> int:
    return len(column(source, source.time))


def check_against(app: App, sources: list[HistorySource]) -> None:
    """Every field is declared, every declared entity is named, updates are known before any event."""
    schema = app.log_schema()
    for source in sources:
        assert set(source.fields) <= set(schema[source.kind]), source.kind
        ids = {field for field in schema[source.kind] if field in app.entities}
        assert ids <= set(source.fields), source.kind
        assert set(source.fields.values()) <= set(source.source), source.kind
    for entity in app.entities:
        (update,) = [source for source in sources if source.kind == entity]
        assert set(update.fields) == set(schema[entity]), "every declared attribute has its column"
        ids = column(update, update.fields[entity])
        assert len(set(ids.tolist())) == len(ids), "one update for each"


def import_all(app: App, sources: list[HistorySource], folder) -> ImportReport:
    """Import into a new log, which checks every cell."""
    with SqliteLog(folder, log_schemas(app)) as log:
        return log.import_history(sources)
