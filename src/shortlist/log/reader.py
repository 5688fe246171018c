"""Reading the log in order, across sealed segments and the SQLite tail, while it is written."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from shortlist.log import tables
from shortlist.log.bodies import BodyCodec, TailRow, batch_from_rows
from shortlist.log.columns import Batch
from shortlist.log.errors import EventRejected, UnknownKind
from shortlist.log.record import Record
from shortlist.log.scan import Scan
from shortlist.log.schema import EventSchema
from shortlist.log.segments import SegmentFolder
from shortlist.log.tables import Segment

_Piece = tuple[int, Segment | None, list[TailRow]]


class Reader:
    """Reads the log through a connection of its own; safe from several threads.

    Every step reads one consistent snapshot of the tables, so sealing and appending may go on.
    """

    def __init__(self, folder: Path, segments: SegmentFolder) -> None:
        self._segments = segments
        self._lock = threading.Lock()
        self._database = tables.connect(folder, read_only=True)
        self._codecs: dict[str, BodyCodec] = {}
        self.use(tables.load_schemas(self._database))

    def use(self, schemas: Mapping[str, EventSchema]) -> None:
        """Decode with these schemas from now on."""
        self._codecs = {kind: BodyCodec(schema) for kind, schema in schemas.items()}

    @property
    def codecs(self) -> Mapping[str, BodyCodec]:
        """The codecs by kind."""
        return self._codecs

    @property
    def schemas(self) -> dict[str, EventSchema]:
        """The schemas by kind."""
        return {kind: codec.schema for kind, codec in self._codecs.items()}

    def end(self) -> tuple[int, int]:
        """Return the last (seq, log_time_us)."""
        with self._snapshot() as database:
            return tables.end_of_log(database)

    def end_of_segments(self) -> int:
        """Return the last position that is sealed."""
        with self._snapshot() as database:
            return tables.end_of_segments(database)[0]

    def tail(self, max_events: int, piece_events: int) -> Iterator[list[TailRow]]:
        """Yield the oldest unsealed rows, of about so many events, in pieces, while nobody seals others."""
        after_seq = self.end_of_segments()
        upto_seq = after_seq + max_events
        while after_seq < upto_seq:
            with self._snapshot() as database:
                rows = tables.tail(database, after_seq, min(after_seq + piece_events, upto_seq))
            if not rows:
                return
            yield rows
            after_seq = rows[-1].seq

    def read(self, after_seq: int, limit: int) -> list[Record]:
        """Return up to `limit` records after a position."""
        records: list[Record] = []
        while len(records) < limit:
            upto, segment, rows = self._piece(after_seq, 2**62, limit - len(records))
            by_kind: list[Record] = []
            for kind in segment.fields if segment else sorted({row.kind for row in rows}):
                if segment:
                    by_kind += self._segments.records([segment], self._codecs[kind].schema, after_seq, upto)
                else:
                    by_kind += self._codecs[kind].records([row for row in rows if row.kind == kind])
            if not by_kind:
                break
            records += sorted(by_kind, key=lambda record: record.seq)
            after_seq = upto
        return records

    def batches(self, after_seq: int, upto_seq: int | None, max_rows: int) -> Iterator[Batch]:
        """Yield the log in order as batches of at most `max_rows` events."""
        end, _ = self.end()
        upto_seq = end if upto_seq is None else min(upto_seq, end)
        while after_seq < upto_seq:
            upto, segment, rows = self._piece(after_seq, upto_seq, max_rows)
            if segment is None:
                yield batch_from_rows(rows, self._codecs)
            else:
                found = {
                    kind: self._segments.columns([segment], self._codecs[kind].schema, after_seq, upto)
                    for kind in segment.fields
                }
                yield Batch(after_seq + 1, upto, {k: columns for k, columns in found.items() if columns})
            after_seq = upto

    def scan(self, kind: str, columns: Sequence[str] | None, after_seq: int, upto_seq: int | None) -> Scan:
        """Return the scan of one kind.

        Raises:
            UnknownKind: when no schema declares the kind.
            EventRejected: when a column is no field of it.
        """
        if kind not in self._codecs:
            raise UnknownKind(kind, self._codecs)
        schema = self._codecs[kind].schema
        if columns is not None:
            for column in columns:
                if column not in schema.fields:
                    raise EventRejected(
                        kind,
                        column,
                        expected=f"one of {list(schema.fields)}",
                        received="an unknown column",
                        mend="Mend its name.",
                    )
            schema = replace(
                schema,
                fields={column: schema.fields[column] for column in columns},
                optional=schema.optional & set(columns),
            )
        with self._snapshot() as database:
            end, _ = tables.end_of_log(database)
            upto_seq = end if upto_seq is None else min(upto_seq, end)
            sealed = tables.segments(database, after_seq, upto_seq)
            unsealed = self._cut(tables.tail(database, after_seq, upto_seq, kind), after_seq, upto_seq)
        return Scan(self._segments, sealed, unsealed, schema, after_seq, upto_seq)

    def close(self) -> None:
        """Close the connection."""
        self._database.close()

    @contextmanager
    def _snapshot(self) -> Iterator[sqlite3.Connection]:
        with self._lock, tables.snapshot(self._database):
            yield self._database

    def _piece(self, after_seq: int, upto_seq: int, max_rows: int) -> _Piece:
        """Find where the next events are: the position reached, their segment or else their rows."""
        with self._snapshot() as database:
            found = tables.segments(database, after_seq, after_seq + 1)
            segment = found[0] if found else None
            upto = min(after_seq + max_rows, segment.last_seq if segment else upto_seq, upto_seq)
            rows = [] if segment else tables.tail(database, after_seq, upto)
            kinds = set(segment.fields) if segment else {row.kind for row in rows}
            if kinds - self._codecs.keys():
                # A writer that came after this reader has brought new kinds.
                self.use(tables.load_schemas(database))
        if segment is None:
            rows = self._cut(rows, after_seq, upto)
            upto = rows[-1].seq if rows else after_seq
        return upto, segment, rows

    def _cut(self, rows: list[TailRow], after_seq: int, upto_seq: int) -> list[TailRow]:
        """Cut the blocks at both ends to the events after one position up to another."""
        for end in {0, len(rows) - 1} if rows else ():
            rows[end] = self._codecs[rows[end].kind].cut(rows[end], after_seq, upto_seq)
        return rows
