"""The stored form of an event: a JSON object in one row of SQLite, decoded many at a time.

Every way out of the SQLite tail, to a subscriber or to a reader, decodes the same bodies with the
same code, so that a live fold and a replay see the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Annotated, Any, NamedTuple

import msgspec
import numpy as np

from shortlist.log.columns import Batch, Columns, column_from_values
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


class TailRow(NamedTuple):
    """One row of the tail table."""

    seq: int
    log_time_us: int
    kind: str
    event_time_us: int
    id: str | None
    body: str


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
        row_type = msgspec.defstruct("Row", row, rename=rename)
        self._rows = msgspec.json.Decoder(list[row_type])  # type: ignore[valid-type]
        self._getters = [
            (field, type_, attrgetter(name))
            for name, (field, type_) in zip(names, schema.fields.items(), strict=True)
        ]

    def encode(self, fields: Mapping[str, Any]) -> str:
        """Return the body of checked fields; unchecked ones are checked here.

        Raises:
            EventRejected: when the fields do not fit the schema.
        """
        try:
            return msgspec.json.encode(msgspec.convert(fields, self._door)).decode()
        except (msgspec.ValidationError, UnicodeEncodeError):
            # The door is the fast way for the common case; the check knows the rest (a NaN in a list,
            # which is stored as null), and says what is wrong.
            return msgspec.json.encode(self.schema.check(fields)).decode()

    def columns(self, rows: Sequence[TailRow]) -> Columns:
        """Decode rows of this kind, in `seq` order, into columns."""
        decoded = self._decode(rows)
        return Columns(
            self.schema.kind,
            np.array([row.seq for row in rows], np.int64),
            np.array([row.log_time_us for row in rows], np.int64),
            np.array([row.event_time_us for row in rows], np.int64),
            {
                field: column_from_values(type_, list(map(get, decoded)))
                for field, type_, get in self._getters
            },
        )

    def records(self, rows: Sequence[TailRow]) -> list[Record]:
        """Decode rows of this kind into records."""
        records = []
        for row, decoded in zip(rows, self._decode(rows), strict=True):
            fields: dict[str, Any] = {}
            for field, type_, get in self._getters:
                value = get(decoded)
                if value is not None:
                    fields[field] = np.array(value, np.float32).tolist() if type_ == "floats" else value
            records.append(Record(row.seq, row.log_time_us, row.kind, row.event_time_us, row.id, fields))
        return records

    def _decode(self, rows: Sequence[TailRow]) -> list[Any]:
        return self._rows.decode(f"[{','.join([row.body for row in rows])}]")


def batch_from_rows(rows: Sequence[TailRow], codecs: Mapping[str, BodyCodec]) -> Batch:
    """Decode contiguous rows of the tail, one or more, into a batch."""
    by_kind: dict[str, list[TailRow]] = {}
    for row in rows:
        by_kind.setdefault(row.kind, []).append(row)
    kinds = {kind: codecs[kind].columns(of_kind) for kind, of_kind in by_kind.items()}
    return Batch(rows[0].seq, rows[-1].seq, kinds)
