"""The stored form of events: a row of SQLite holds one as a JSON object, or a block of them as columns.

Every way out of the SQLite tail builds its columns with the same code: a reader from decoded bodies, a
subscriber from the values that were encoded. A body decodes to the very values that went into it, so a
live fold and a replay see the same bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Annotated, Any, NamedTuple

import msgspec
import numpy as np

from shortlist.log.blocks import (
    Block,
    Cells,
    check_block,
    column_of_cells,
    decode_cells,
    encode_cells,
    values_of_cells,
)
from shortlist.log.columns import Batch, Column, Columns, column_from_values, concatenate
from shortlist.log.fields import Fields
from shortlist.log.record import Record
from shortlist.log.schema import EventSchema
from shortlist.log.values import MAX_FLOAT, MAX_FLOAT32, MAX_INT, MAX_STR_CHARS, MAX_TIME_US

_Int = Annotated[int, msgspec.Meta(ge=-MAX_INT, le=MAX_INT)]
_DOOR_TYPES: dict[str, Any] = {
    "str": Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_STR_CHARS)],
    "int": _Int,
    "float": Annotated[float, msgspec.Meta(gt=-MAX_FLOAT, lt=MAX_FLOAT)],
    "bool": bool,
    "time": Annotated[int, msgspec.Meta(ge=-MAX_TIME_US, le=MAX_TIME_US)],
    "floats": list[Annotated[float, msgspec.Meta(ge=-MAX_FLOAT32, le=MAX_FLOAT32)] | None],
}
_ROW_TYPES: dict[str, Any] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "time": int,
    "floats": list[float | None],
}


class Encoded(NamedTuple):
    """An event, or a block of them, that waits for its position; `decoded` is what its body decodes to."""

    kind: str
    event_time_us: int | None
    id: str | None
    body: str | bytes
    decoded: object
    num_events: int = 1


class TailRow(NamedTuple):
    """One row of the tail table: an event, or a block of `num_events` whose last one stands at `seq`."""

    seq: int
    log_time_us: int
    kind: str
    event_time_us: int
    id: str | None
    body: str | bytes
    num_events: int = 1

    @property
    def first_seq(self) -> int:
        """The position of its first event."""
        return self.seq - self.num_events + 1


class BodyCodec:
    """Encodes and decodes the bodies of one kind."""

    def __init__(self, schema: EventSchema) -> None:
        self.schema = schema
        # Positional names inside, as a field may be called `class`; the real names in the JSON.
        names = [f"f{i}" for i in range(len(schema.fields))]
        rename = dict(zip(names, schema.fields, strict=True))
        door, row = [], []
        for name, (field, type_) in zip(names, schema.fields.items(), strict=True):
            optional = (name, _DOOR_TYPES[type_] | None, None)
            door.append(optional if field in schema.optional else (name, _DOOR_TYPES[type_]))
            # A row older than a field does not have it, required now or not.
            row.append((name, _ROW_TYPES[type_] | None, None))
        # Required fields stand first, as a constructor demands; the JSON does not mind.
        door.sort(key=len)
        self._door = msgspec.defstruct(
            "Door", door, rename=rename, forbid_unknown_fields=True, omit_defaults=True
        )
        self._row = msgspec.defstruct("Row", row, rename=rename, omit_defaults=True)
        self._rows = msgspec.json.Decoder(list[self._row])  # type: ignore[name-defined]
        self._getters = {field: attrgetter(name) for name, field in zip(names, schema.fields, strict=True)}

    def encode(self, fields: Mapping[str, Any]) -> tuple[str, object]:
        """Return the body of checked fields, and what it decodes to; unchecked ones are checked here.

        Raises:
            EventRejected: when the fields do not fit the schema.
        """
        try:
            values = msgspec.convert(fields, self._door)
            return msgspec.json.encode(values).decode(), values
        except (msgspec.ValidationError, UnicodeEncodeError):
            # The door is the fast way for the common case; the check knows the rest (a NaN in a list,
            # which is stored as null), and says what is wrong.
            values = msgspec.convert(self.schema.check(fields), self._row)
            return msgspec.json.encode(values).decode(), values

    def encode_block(self, block: Block) -> tuple[bytes, Cells]:
        """Return the body of a block of this kind, and what it decodes to.

        Raises:
            EventRejected: when a field does not fit the schema.
        """
        cells = check_block(self.schema, block)
        return encode_cells(cells), cells

    def columns(self, rows: Sequence[TailRow], decoded: Sequence[Any] | None = None) -> Columns:
        """Build the columns of rows of this kind, in `seq` order; `decoded` spares decoding their bodies."""
        decoded = self._decode(rows) if decoded is None else decoded
        are_blocks = [isinstance(row.body, bytes) for row in rows]
        parts: list[Columns] = []
        first = 0
        for is_block, run in groupby(range(len(rows)), are_blocks.__getitem__):
            length = len(list(run))
            build = self._columns_of_blocks if is_block else self._columns_of_events
            parts.append(build(rows[first : first + length], decoded[first : first + length]))
            first += length
        return concatenate(parts) if parts else self._columns_of_events((), ())

    def records(self, rows: Sequence[TailRow]) -> list[Record]:
        """Decode rows of this kind into records."""
        records: list[Record] = []
        for row, decoded in zip(rows, self._decode(rows), strict=True):
            if isinstance(row.body, bytes):
                records += self._records_of_block(row, decoded)
                continue
            fields: dict[str, Any] = {}
            for field, type_ in self.schema.fields.items():
                value = self._getters[field](decoded)
                if value is not None:
                    fields[field] = np.array(value, np.float32).tolist() if type_ == "floats" else value
            records.append(Record(row.seq, row.log_time_us, row.kind, row.event_time_us, row.id, fields))
        return records

    def cut(self, row: TailRow, after_seq: int, upto_seq: int) -> TailRow:
        """Return the part of a row, of this kind, after one position up to another; it has one."""
        if row.first_seq > after_seq and row.seq <= upto_seq:
            return row
        assert isinstance(row.body, bytes), "an event has no parts"
        first, last = max(row.first_seq, after_seq + 1), min(row.seq, upto_seq)
        cells = decode_cells(self.schema, row.body, row.num_events)
        kept = slice(first - row.first_seq, last + 1 - row.first_seq)
        body = encode_cells({name: cell if len(cell) == 1 else cell[kept] for name, cell in cells.items()})
        return row._replace(seq=last, body=body, num_events=last + 1 - first)

    def _columns_of_events(self, rows: Sequence[TailRow], decoded: Sequence[Any]) -> Columns:
        types = self.schema.fields

        def column(field: str) -> Column:
            return column_from_values(types[field], list(map(self._getters[field], decoded)))

        return Columns(
            self.schema.kind,
            np.array([row.seq for row in rows], np.int64),
            np.array([row.log_time_us for row in rows], np.int64),
            np.array([row.event_time_us for row in rows], np.int64),
            Fields(types, column),
        )

    def _columns_of_blocks(self, rows: Sequence[TailRow], decoded: Sequence[Cells]) -> Columns:
        types, counts = self.schema.fields, np.array([row.num_events for row in rows], np.int64)

        def column(field: str) -> Column:
            return column_of_cells(types[field], [cells.get(field) for cells in decoded], counts)

        return Columns(
            self.schema.kind,
            np.concatenate([np.arange(row.first_seq, row.seq + 1) for row in rows]),
            np.array([row.log_time_us for row in rows], np.int64).repeat(counts),
            np.array([row.event_time_us for row in rows], np.int64).repeat(counts),
            Fields(types, column),
        )

    def _records_of_block(self, row: TailRow, cells: Cells) -> Iterable[Record]:
        values = values_of_cells(self.schema, cells, row.num_events)
        for number in range(row.num_events):
            fields = {name: of_all[number] for name, of_all in values.items() if of_all[number] is not None}
            seq = row.first_seq + number
            yield Record(seq, row.log_time_us, row.kind, row.event_time_us, None, fields)

    def _decode(self, rows: Sequence[TailRow]) -> list[Any]:
        bodies = [row.body for row in rows if isinstance(row.body, str)]
        events = iter(self._rows.decode(f"[{','.join(bodies)}]"))
        return [
            next(events) if isinstance(row.body, str) else decode_cells(self.schema, row.body, row.num_events)
            for row in rows
        ]


def batch_from_rows(
    rows: Sequence[TailRow], codecs: Mapping[str, BodyCodec], decoded: Sequence[Any] | None = None
) -> Batch:
    """Build a batch of contiguous rows of the tail, one or more; `decoded` spares decoding their bodies."""
    by_kind: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        by_kind.setdefault(row.kind, []).append(number)
    kinds = {
        kind: codecs[kind].columns(
            [rows[number] for number in of_kind],
            None if decoded is None else [decoded[number] for number in of_kind],
        )
        for kind, of_kind in by_kind.items()
    }
    return Batch(rows[0].first_seq, rows[-1].seq, kinds)
