"""The log's schemas, read off a declaration."""

from __future__ import annotations

from shortlist.declare.app import App
from shortlist.log.schema import EventSchema


def log_schemas(app: App) -> list[EventSchema]:
    """Return a schema for every kind of record; ids of entities are required, the rest may be null."""
    return [
        EventSchema(kind, columns, frozenset(columns) - frozenset(app.entities))
        for kind, columns in app.log_schema().items()
    ]
