"""Events as columns: one kind's rows in log order, the form that folds and datasets read.

Shapes: N rows of one kind, M numbers in all the rows of a `floats` field.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from shortlist.log.record import Record
from shortlist.log.schema import EventSchema, FieldType

NULL_INT = int(np.iinfo(np.int64).min)
"""Stands for null in int and time columns."""

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Strings:
    """A text column: `codes` int32[N] index into `values`; -1 is null."""

    codes: npt.NDArray[np.int32]
    values: list[str]


@dataclass(frozen=True, slots=True)
class Floats:
    """A column of lists: row i is `values[offsets[i]:offsets[i + 1]]`; a null is an empty list.

    `offsets` is int64[N+1], `values` float32[M].
    """

    offsets: Int64
    values: npt.NDArray[np.float32]


Column = npt.NDArray[Any] | Strings | Floats


@dataclass(frozen=True, slots=True)
class Columns:
    """The rows of one kind, in `seq` order.

    `seq`, `log_time_us` and `event_time_us` are int64[N]. By field type: int and time are int64[N]
    with null NULL_INT, float is float64[N] with null NaN, bool int8[N] with null -1, str `Strings`,
    floats `Floats`.
    """

    kind: str
    seq: Int64
    log_time_us: Int64
    event_time_us: Int64
    fields: Mapping[str, Column]

    def __len__(self) -> int:
        return len(self.seq)


@dataclass(frozen=True, slots=True)
class Batch:
    """All events with `first_seq <= seq <= last_seq`, by kind; kinds without a row are absent."""

    first_seq: int
    last_seq: int
    kinds: dict[str, Columns]


def column_from_values(type_: FieldType, values: Sequence[Any]) -> Column:
    """Build a field's column from Python values; None is null."""
    if type_ == "str":
        codes: dict[str | None, int] = {None: -1}
        rows = [codes.setdefault(value, len(codes) - 1) for value in values]
        del codes[None]
        return Strings(np.array(rows, np.int32), list(codes))  # type: ignore[arg-type]
    if type_ == "floats":
        lengths = [len(value) if value is not None else 0 for value in values]
        flat = list(chain.from_iterable(value for value in values if value is not None))
        return Floats(offsets_from_lengths(np.array(lengths, np.int64)), np.array(flat, np.float32))
    if type_ == "float":
        return np.array(values, np.float64)
    if type_ == "bool":
        return np.array([-1 if value is None else value for value in values], np.int8)
    return np.array([NULL_INT if value is None else value for value in values], np.int64)


def offsets_from_lengths(lengths: Int64) -> Int64:
    """Return int64[N+1] offsets for the lengths int64[N] of consecutive lists."""
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def columns_from_records(schema: EventSchema, records: Iterable[Record]) -> Columns:
    """Build the columns of one kind from records in `seq` order; other kinds are passed over."""
    rows = [record for record in records if record.kind == schema.kind]
    return Columns(
        schema.kind,
        np.array([row.seq for row in rows], np.int64),
        np.array([row.log_time_us for row in rows], np.int64),
        np.array([row.event_time_us for row in rows], np.int64),
        {
            name: column_from_values(type_, [row.fields.get(name) for row in rows])
            for name, type_ in schema.fields.items()
        },
    )


def concatenate(parts: Sequence[Columns]) -> Columns:
    """Join columns of one kind, one or more, each after the one before it."""
    if len(parts) == 1:
        return parts[0]
    return Columns(
        parts[0].kind,
        np.concatenate([part.seq for part in parts]),
        np.concatenate([part.log_time_us for part in parts]),
        np.concatenate([part.event_time_us for part in parts]),
        {name: _join([part.fields[name] for part in parts]) for name in parts[0].fields},
    )


def _join(columns: list[Any]) -> Column:
    if isinstance(columns[0], Strings):
        codes: dict[str, int] = {}
        joined = []
        for column in columns:
            # The extra last entry is what code -1, null, picks.
            renumber = [codes.setdefault(value, len(codes)) for value in column.values]
            joined.append(np.array([*renumber, -1], np.int32)[column.codes])
        return Strings(np.concatenate(joined), list(codes))
    if isinstance(columns[0], Floats):
        lengths = np.concatenate([np.diff(column.offsets) for column in columns])
        return Floats(offsets_from_lengths(lengths), np.concatenate([column.values for column in columns]))
    return np.concatenate(columns)
