"""Entities' attributes as JSON values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from shortlist.features.entities import EntityTable

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def attributes_of(table: EntityTable, codes: np.ndarray) -> list[dict[str, Any]]:
    """Return the attributes of entities as they stand now; the caller holds the state's lock.

    Args:
        table: of the entity.
        codes: int64 [N], from 0.
    """
    columns = {name: _json_values(table, name, codes) for name in table.entity.attribute_types}
    return [{name: column[row] for name, column in columns.items()} for row in range(len(codes))]


def _json_values(table: EntityTable, name: str, codes: np.ndarray) -> Sequence[Any]:
    values = table.values(name, codes)
    stored, known = values.values.tolist(), values.known.tolist()
    if values.type == "str":
        assert values.vocabulary is not None
        read: Any = values.vocabulary.text
    elif values.type == "time":
        read = time_text
    else:
        read = _as_it_is
    return [read(value) if is_known else None for value, is_known in zip(stored, known, strict=True)]


def _as_it_is(value: object) -> object:
    return value


def time_text(time_us: int) -> str | int:
    """Write UTC microseconds as RFC 3339 text; a moment outside the calendar's years stays a number."""
    try:
        return (_EPOCH + timedelta(microseconds=time_us)).isoformat().replace("+00:00", "Z")
    except OverflowError:
        return time_us


def json_schema(types: Mapping[str, str]) -> dict[str, dict[str, object]]:
    """Return the JSON schema of declared fields, by name."""
    return {name: _SCHEMAS[type_] for name, type_ in types.items()}


_SCHEMAS: dict[str, dict[str, object]] = {
    "str": {"type": "string", "minLength": 1, "maxLength": 4096},
    "int": {"type": "integer"},
    "float": {"type": "number", "exclusiveMinimum": -(2**31), "exclusiveMaximum": 2**31},
    "bool": {"type": "boolean"},
    "time": {
        "description": "RFC 3339 text with a zone, or whole UTC microseconds.",
        "anyOf": [{"type": "string", "format": "date-time"}, {"type": "integer"}],
    },
    "floats": {"type": "array", "items": {"type": ["number", "null"]}},
}
