"""The kinds of event that the tests of the log append, and the oracle's view of columns."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np

from shortlist.log import NULL_INT, Batch, Block, Columns, EventSchema, Floats, Record, Strings

WATCH = EventSchema(
    "watch",
    {
        "user": "str",
        "video": "str",
        "watch_s": "float",
        "position": "int",
        "finished": "bool",
        "published": "time",
        "features": "floats",
    },
    frozenset({"video", "watch_s", "position", "finished", "published", "features"}),
)
LIKE = EventSchema("like", {"user": "str"})
KINDS = [WATCH, LIKE]


class Clock:
    """A clock that advances a second at every look, and can be set back."""

    def __init__(self, now_us: int = 1_700_000_000_000_000) -> None:
        self.now_us = now_us

    def __call__(self) -> int:
        self.now_us += 1_000_000
        return self.now_us


NULLS = {"str": None, "float": math.nan, "int": NULL_INT, "time": NULL_INT, "bool": -1}
DTYPES = {"float": np.float64, "int": np.int64, "time": np.int64, "bool": np.int8}


def block_of(schema: EventSchema, fields_of_each: list[dict[str, Any]]) -> Block:
    """Return the block of events with these fields; what is the same in all of them is given once."""
    fields: dict[str, Any] = {}
    for name in {name for given in fields_of_each for name in given}:
        values = [given.get(name) for given in fields_of_each]
        type_ = schema.fields[name]
        if all(value == values[0] for value in values):
            fields[name] = values[0]
        elif type_ == "floats":
            fields[name] = np.array(values, np.float32)
        else:
            filled = [NULLS[type_] if value is None else value for value in values]
            fields[name] = filled if type_ == "str" else np.array(filled, DTYPES[type_])
    return Block(schema.kind, len(fields_of_each), fields)


def rows(columns: Columns) -> list[tuple[Any, ...]]:
    """Return (seq, log time, kind, event time, fields) of every row, as comparable Python values."""
    fields: dict[str, list[Any]] = {}
    for name, column in columns.fields.items():
        if isinstance(column, Strings):
            fields[name] = [column.values[code] if code >= 0 else None for code in column.codes]
        elif isinstance(column, Floats):
            bounds = zip(column.offsets[:-1], column.offsets[1:], strict=True)
            fields[name] = [plain(column.values[a:b].tolist()) or None for a, b in bounds]
        elif column.dtype == np.float64:
            fields[name] = [None if math.isnan(value) else value for value in column.tolist()]
        elif column.dtype == np.int8:
            fields[name] = [None if value < 0 else bool(value) for value in column.tolist()]
        else:
            fields[name] = [None if value == NULL_INT else value for value in column.tolist()]
    return [
        (
            int(columns.seq[i]),
            int(columns.log_time_us[i]),
            columns.kind,
            int(columns.event_time_us[i]),
            {name: values[i] for name, values in fields.items() if values[i] is not None},
        )
        for i in range(len(columns))
    ]


def batch_rows(batches: list[Batch]) -> list[tuple[Any, ...]]:
    """Return the rows of batches in log order, having checked that the batches are contiguous."""
    found = []
    for before, after in pairwise(batches):
        assert after.first_seq == before.last_seq + 1
    for batch in batches:
        inside = sorted(
            (row for columns in batch.kinds.values() for row in rows(columns)), key=lambda r: r[0]
        )
        assert [row[0] for row in inside] == list(range(batch.first_seq, batch.last_seq + 1))
        found += inside
    return found


def record_rows(records: list[Record]) -> list[tuple[Any, ...]]:
    """Return records in the form of `rows`."""
    return [
        (
            r.seq,
            r.log_time_us,
            r.kind,
            r.event_time_us,
            {name: plain(value) for name, value in r.fields.items() if value != []},
        )
        for r in records
    ]


def plain(value: Any) -> Any:
    """Make a list with NaN comparable."""
    if isinstance(value, list):
        return [
            "nan" if number is None or math.isnan(number) else float(np.float32(number)) for number in value
        ]
    return value
