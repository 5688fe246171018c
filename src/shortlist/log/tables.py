"""The SQLite side of the log: its tables, and the few statements that read and change them.

`tail` holds the newest events: a row is one event as JSON text, or a block of `num_events` whose body is
a BLOB and whose last event stands at `seq`. A sealed segment takes over all events up to its `last_seq`:
rows of the tail at or below the newest segment's `last_seq` are leftovers, which every reader passes
over. So one inserted row of `segments` moves any number of events, atomically.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import chain, takewhile
from pathlib import Path
from typing import Any

import msgspec

from shortlist.log.bodies import TailRow
from shortlist.log.errors import LogError, SchemaChanged
from shortlist.log.schema import EventSchema

FILE_NAME = "log.sqlite"
_LAYOUT = 2
"""1 knew no blocks; a writer brings such a log up to date, a reader takes it as it is."""

_BUSY_TIMEOUT_S = 5.0

_TABLES = """
CREATE TABLE schemas(kind TEXT PRIMARY KEY, fields TEXT NOT NULL, optional TEXT NOT NULL);
CREATE TABLE tail(
    seq INTEGER PRIMARY KEY, log_time_us INTEGER NOT NULL, kind TEXT NOT NULL,
    event_time_us INTEGER NOT NULL, id TEXT, body TEXT NOT NULL, num_events INTEGER NOT NULL DEFAULT 1);
CREATE TABLE ids(id TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE segments(
    first_seq INTEGER PRIMARY KEY, last_seq INTEGER NOT NULL, last_log_time_us INTEGER NOT NULL,
    fields TEXT NOT NULL);
"""
_ADD_BLOCKS = "ALTER TABLE tail ADD COLUMN num_events INTEGER NOT NULL DEFAULT 1"
_ROWS_PER_INSERT = (100, 10, 1)
"""How many rows one statement inserts. A row in a hundred costs two thirds of the CPU of one by itself, and
Python's lock, which may change hands at each statement, does so less often."""


class Segment(msgspec.Struct, frozen=True):
    """A sealed range of the log; `fields` lists, by kind present, the fields its file has."""

    first_seq: int
    last_seq: int
    last_log_time_us: int
    fields: dict[str, list[str]]

    @property
    def name(self) -> str:
        """The name of the segment's folder."""
        return f"{self.first_seq:015d}-{self.last_seq:015d}"


def connect(folder: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open the log's database; transactions are begun and ended by hand.

    Raises:
        LogError: when a newer version of Shortlist wrote it.
    """
    database = sqlite3.connect(
        folder / FILE_NAME, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    if read_only:
        database.execute("PRAGMA query_only = ON")
    else:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
    layout = _layout(database)
    if layout > _LAYOUT:
        database.close()
        raise LogError(f"log {folder}: layout {layout} is newer than {_LAYOUT}. Upgrade Shortlist.")
    if layout < _LAYOUT and not read_only:
        statements = _TABLES.strip().split(";")[:-1] if layout == 0 else [_ADD_BLOCKS]
        with transaction(database):
            for statement in statements:
                database.execute(statement)
            database.execute(f"PRAGMA user_version = {_LAYOUT}")
    return database


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Commit everything inside, durably, or nothing of it."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


@contextmanager
def snapshot(database: sqlite3.Connection) -> Iterator[None]:
    """Read one consistent state of the log inside."""
    database.execute("BEGIN")
    try:
        yield
    finally:
        database.execute("ROLLBACK")


def load_schemas(database: sqlite3.Connection) -> dict[str, EventSchema]:
    """Return the schemas of all kinds the log has known."""
    rows = database.execute("SELECT kind, fields, optional FROM schemas ORDER BY kind").fetchall()
    return {
        kind: EventSchema(kind, json.loads(fields), frozenset(json.loads(optional)))
        for kind, fields, optional in rows
    }


def merge_schemas(known: dict[str, EventSchema], declared: Iterable[EventSchema]) -> dict[str, EventSchema]:
    """Return the known schemas with the declared ones on top.

    Raises:
        SchemaChanged: when a declared one lacks a known field, or has it with another type.
    """
    merged = dict(known)
    for schema in declared:
        before = known.get(schema.kind)
        for field, type_ in before.fields.items() if before else ():
            now = schema.fields.get(field)
            if now != type_:
                raise SchemaChanged(schema.kind, field, before=type_, now=now or "no such field")
        merged[schema.kind] = schema
    return merged


def save_schemas(database: sqlite3.Connection, schemas: Iterable[EventSchema]) -> None:
    """Keep the schemas in the log."""
    with transaction(database):
        database.executemany(
            "INSERT OR REPLACE INTO schemas VALUES (?, ?, ?)",
            [(s.kind, json.dumps(s.fields), json.dumps(sorted(s.optional))) for s in schemas],
        )


def segments(database: sqlite3.Connection, after_seq: int = 0, upto_seq: int | None = None) -> list[Segment]:
    """Return the segments that hold any of the events after one position up to another, in order."""
    rows = database.execute(
        "SELECT first_seq, last_seq, last_log_time_us, fields FROM segments "
        "WHERE last_seq > ? AND first_seq <= ? ORDER BY first_seq",
        (after_seq, 2**62 if upto_seq is None else upto_seq),
    ).fetchall()
    return [Segment(first, last, time_us, json.loads(fields)) for first, last, time_us, fields in rows]


def add_segment(database: sqlite3.Connection, segment: Segment) -> None:
    """Register a published segment, inside a transaction of the caller."""
    database.execute(
        "INSERT INTO segments VALUES (?, ?, ?, ?)",
        (segment.first_seq, segment.last_seq, segment.last_log_time_us, json.dumps(segment.fields)),
    )


def end_of_segments(database: sqlite3.Connection) -> tuple[int, int]:
    """Return the last (seq, log_time_us) of the segments; (0, 0) without any."""
    row = database.execute(
        "SELECT last_seq, last_log_time_us FROM segments ORDER BY first_seq DESC LIMIT 1"
    ).fetchone()
    return row or (0, 0)


def end_of_log(database: sqlite3.Connection) -> tuple[int, int]:
    """Return the last (seq, log_time_us) of the log; (0, 0) of an empty one."""
    row = database.execute("SELECT seq, log_time_us FROM tail ORDER BY seq DESC LIMIT 1").fetchone()
    return max(row or (0, 0), end_of_segments(database))


def insert_rows(database: sqlite3.Connection, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows of all of a table's columns, inside a transaction of the caller."""
    done = 0
    for size in _ROWS_PER_INSERT:
        while len(rows) - done >= size:
            database.execute(
                _insertion(table, len(rows[done]), size),
                list(chain.from_iterable(rows[done : done + size])),
            )
            done += size


@cache
def _insertion(table: str, num_columns: int, num_rows: int) -> str:
    places = f"({', '.join(['?'] * num_columns)})"
    return f"INSERT INTO {table} VALUES {', '.join([places] * num_rows)}"


def tail(
    database: sqlite3.Connection, after_seq: int = 0, upto_seq: int = 2**62, kind: str | None = None
) -> list[TailRow]:
    """Return the unsealed rows that hold any of the events after one position up to another, in order."""
    after_seq = max(after_seq, end_of_segments(database)[0])
    if upto_seq <= after_seq:
        return []
    num_events = "num_events" if _layout(database) > 1 else "1"
    only = "" if kind is None else "AND kind = ?"
    cursor = database.execute(
        f"SELECT seq, log_time_us, kind, event_time_us, id, body, {num_events} FROM tail "
        f"WHERE seq > ? {only} ORDER BY seq",
        (after_seq, *([] if kind is None else [kind])),
    )
    rows = list(takewhile(lambda row: row.first_seq <= upto_seq, map(TailRow._make, cursor)))
    cursor.close()
    return rows


def trim_tail(database: sqlite3.Connection, max_events: int = 2**62) -> int:
    """Delete rows of the tail that a segment has taken over, all or of about so many events.

    Returns:
        How many rows.
    """
    sealed, _ = end_of_segments(database)
    with transaction(database):
        return database.execute(
            "DELETE FROM tail WHERE seq <= min(?, (SELECT min(seq) FROM tail) + ?)", (sealed, max_events)
        ).rowcount


def seqs_of_ids(database: sqlite3.Connection, ids: Sequence[str]) -> dict[str, int]:
    """Return, for those of the ids that the log has seen, the position of the first event."""
    if not ids:
        return {}
    # One statement for all: a quarter of the time of one statement each.
    rows = database.execute(
        "SELECT known.id, known.seq FROM json_each(?) wanted JOIN ids known ON known.id = wanted.value",
        (json.dumps(ids),),
    )
    return dict(rows.fetchall())


def _layout(database: sqlite3.Connection) -> int:
    (layout,) = database.execute("PRAGMA user_version").fetchone()
    return int(layout)
