"""Sealed segments: folders of Parquet, one file per kind, written once and never changed.

Shapes: N rows of one kind.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from shortlist.background import give_way
from shortlist.log import duck
from shortlist.log.bodies import BodyCodec, TailRow
from shortlist.log.columns import NULL_INT, Columns, Floats, Strings, offsets_from_lengths
from shortlist.log.durable import publish
from shortlist.log.record import Record
from shortlist.log.schema import EventSchema
from shortlist.log.tables import Segment

_STAGING = "staging-"
COPY_OPTIONS = "(FORMAT parquet, COMPRESSION zstd)"
_SEAL_OPTIONS = "(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20480)"
"""A row group is written from memory: small ones, as a server has better use for its memory."""


class SegmentFolder:
    """The folder of a log's segments; which of them count is for the tables to say."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "segments"
        self._connection: Any = None
        self._connecting = threading.Lock()

    def sweep(self, registered: Collection[str]) -> None:
        """Remove what a crash left behind: half-written folders, and whole ones never registered."""
        self._folder.mkdir(exist_ok=True)
        for folder in self._folder.iterdir():
            if folder.name not in registered:
                shutil.rmtree(folder)

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """Lend a folder to write in; what is not published is removed."""
        folder = self._folder / f"{_STAGING}{uuid.uuid4().hex}"
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def publish(self, staging: Path, segment: Segment) -> None:
        """Make a written folder durable under the segment's name."""
        final = self._folder / segment.name
        # Only a segment that could not be registered can be in the way.
        shutil.rmtree(final, ignore_errors=True)
        publish(staging, final)

    def write_tail(
        self, pieces: Iterable[Sequence[TailRow]], codecs: Mapping[str, BodyCodec]
    ) -> Segment | None:
        """Write the rows of the tail as a segment and publish it; it is yet to be registered.

        Args:
            pieces: contiguous rows, a few at a time: Python's lock is held while one is taken over.
            codecs: by kind.

        Returns:
            The segment; None when there are no rows.
        """
        fields: dict[str, list[str]] = {}
        rows: Sequence[TailRow] = ()
        first_seq = 0
        # On one thread: sealing runs beside the appends and the requests of a server.
        with self.staging() as staging, duck.connect(staging / "spill", num_threads=1) as connection:
            # What is lent for a moment is named after kinds too, and would hide a table of the same name.
            connection.execute("CREATE SCHEMA sealed")
            for rows in pieces:
                first_seq = first_seq or rows[0].first_seq
                by_kind: dict[str, list[TailRow]] = {}
                for row in rows:
                    by_kind.setdefault(row.kind, []).append(row)
                for kind, of_kind in by_kind.items():
                    query, table = duck.tail_sql(connection, codecs[kind], of_kind), _table(kind)
                    # In log order, which a table keeps.
                    if kind in fields:
                        connection.execute(f"INSERT INTO {table} {query}")
                    else:
                        connection.execute(f"CREATE TABLE {table} AS {query}")
                        fields[kind] = list(codecs[kind].schema.fields)
                give_way()
            if not rows:
                return None
            written = staging / "segment"
            written.mkdir()
            for kind in fields:
                file = duck.text(str(written / f"{kind}.parquet"))
                connection.execute(f"COPY {_table(kind)} TO {file} {_SEAL_OPTIONS}")
            segment = Segment(first_seq, rows[-1].seq, rows[-1].log_time_us, fields)
            self.publish(written, segment)
        return segment

    def cursor(self) -> Any:
        """Return a new connection to the room's DuckDB, for one thread."""
        with self._connecting:
            if self._connection is None:
                self._connection = duck.connect(
                    Path(tempfile.gettempdir()) / f"shortlist-spill-{os.getpid()}"
                )
            return self._connection.cursor()

    def close(self) -> None:
        """Close DuckDB, if it was ever needed."""
        if self._connection is not None:
            self._connection.close()

    def sql(self, segments: Sequence[Segment], schema: EventSchema, after_seq: int, upto_seq: int) -> str:
        """Return the query of a kind's rows in the segments, in order; fields a file lacks are null."""
        selects = []
        present = [segment for segment in segments if schema.kind in segment.fields]
        # A file knows the fields of its day: neighbours with the same ones are read together.
        for fields, alike in groupby(present, key=lambda segment: segment.fields[schema.kind]):
            columns = [
                duck.name(field)
                if field in fields
                else f"NULL::{duck.SQL_TYPES[type_]} AS {duck.name(field)}"
                for field, type_ in schema.fields.items()
            ]
            files = [duck.file(self._folder / segment.name / f"{schema.kind}.parquet") for segment in alike]
            selects.append(
                f"SELECT {', '.join(['seq, log_time_us, event_time_us, id', *columns])} "
                f"FROM read_parquet([{', '.join(files)}]) WHERE seq > {after_seq} AND seq <= {upto_seq}"
            )
        return " UNION ALL ".join(selects)

    def columns(
        self, segments: Sequence[Segment], schema: EventSchema, after_seq: int, upto_seq: int
    ) -> Columns | None:
        """Read a kind's rows as columns; None when the segments have none in the range."""
        query = self.sql(segments, schema, after_seq, upto_seq)
        if not query:
            return None
        cursor = self.cursor()
        selected = ["seq", "log_time_us", "event_time_us"]
        texts: dict[str, list[str]] = {}
        for position, (field, type_) in enumerate(schema.fields.items()):
            if type_ == "str":
                texts[field] = _number_texts(cursor, f"codes{position}", field, query)
            selected.append(f"{_array_sql(duck.name(field), type_, f'codes{position}')} AS f{position}")
        arrays = cursor.execute(f"SELECT {', '.join(selected)} FROM ({query})").fetchnumpy()
        if not len(arrays["seq"]):
            return None
        assert np.all(np.diff(arrays["seq"]) > 0), "a segment's rows must come in order"
        fields: dict[str, Any] = {}
        for position, (field, type_) in enumerate(schema.fields.items()):
            array = _plain(arrays[f"f{position}"])
            if type_ == "str":
                fields[field] = Strings(array, texts[field])
            elif type_ == "floats":
                flat = cursor.execute(
                    f"SELECT unnest({duck.name(field)}) AS number FROM ({query})"
                ).fetchnumpy()
                fields[field] = Floats(offsets_from_lengths(array), _plain(flat["number"]))
            else:
                fields[field] = array
        seq, log_time_us, event_time_us = map(
            _plain, (arrays["seq"], arrays["log_time_us"], arrays["event_time_us"])
        )
        return Columns(schema.kind, seq, log_time_us, event_time_us, fields)

    def records(
        self, segments: Sequence[Segment], schema: EventSchema, after_seq: int, upto_seq: int
    ) -> list[Record]:
        """Read a kind's rows as records."""
        query = self.sql(segments, schema, after_seq, upto_seq)
        rows = self.cursor().execute(query).fetchall() if query else []
        return [
            Record(
                seq,
                log_time_us,
                schema.kind,
                event_time_us,
                id_,
                {field: v for field, v in zip(schema.fields, values, strict=True) if v is not None},
            )
            for seq, log_time_us, event_time_us, id_, *values in rows
        ]


def _number_texts(cursor: Any, codes: str, field: str, query: str) -> list[str]:
    """Create the type that numbers a field's distinct texts; return them in the order of their codes."""
    column = duck.name(field)
    distinct = f"SELECT DISTINCT {column} AS value FROM ({query}) WHERE {column} IS NOT NULL ORDER BY value"
    cursor.execute(f"CREATE OR REPLACE TEMP TYPE {codes} AS ENUM ({distinct})")
    (values,) = duck.row(cursor, f"SELECT enum_range(NULL::{codes})")
    return list(values)


def _array_sql(column: str, type_: str, codes: str) -> str:
    """Write the expression that turns a column into the plain numbers of `Columns`."""
    if type_ == "str":
        return f"coalesce(enum_code({column}::{codes})::INTEGER, -1::INTEGER)"
    if type_ == "floats":
        return f"coalesce(len({column}), 0)::BIGINT"
    if type_ == "float":
        return f"coalesce({column}, 'nan'::DOUBLE)"
    if type_ == "bool":
        return f"coalesce({column}::TINYINT, -1::TINYINT)"
    return f"coalesce({column}, ({NULL_INT})::BIGINT)"


def _plain(array: Any) -> Any:
    """Drop the (empty) mask that DuckDB may have put on an array."""
    return np.ma.getdata(array)


def _table(kind: str) -> str:
    return f"sealed.{duck.name(kind)}"
