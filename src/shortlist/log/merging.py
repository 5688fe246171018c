"""The merge of checked sources: duplicates out, positions in event-time order, one file per kind."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from shortlist.log import duck, tables
from shortlist.log.checking import CheckedSource
from shortlist.log.segments import COPY_OPTIONS

_CHUNK_IDS = 10_000


class Placed(NamedTuple):
    """What `place_rows` put into the table `placed`; the times are None when that is nothing."""

    num_rows: int
    first_time_us: int | None
    last_time_us: int | None
    num_late: int
    kinds: list[str]


def place_rows(
    connection: Any, sources: Sequence[CheckedSource], database: sqlite3.Connection, log_time_us: int
) -> Placed:
    """Number the good rows from 1 by (event time, source, row), without those whose id is known."""
    with_ids = [_good_rows_sql(number, source) for number, source in enumerate(sources) if source.has_ids]
    good = [_good_rows_sql(number, source) for number, source in enumerate(sources) if not source.has_ids]
    if with_ids:
        union = " UNION ALL ".join(with_ids)
        _find_known_ids(connection, union, database)
        good.append(
            f"SELECT * FROM ({union}) WHERE event_id NOT IN (FROM known) QUALIFY row_number() "
            f"OVER (PARTITION BY event_id ORDER BY time_us, source, row_number) = 1"
        )
    connection.execute(
        f"CREATE TABLE placed AS SELECT *, row_number() OVER (ORDER BY time_us, source, row_number) AS place "
        f"FROM ({' UNION ALL '.join(f'({rows})' for rows in good)})"
    )
    num_rows, first_us, last_us, num_late = duck.row(
        connection,
        "SELECT count(*), min(time_us), max(time_us), count(*) FILTER (WHERE time_us < $now) FROM placed",
        {"now": log_time_us},
    )
    numbers = connection.execute("SELECT DISTINCT source FROM placed ORDER BY source").fetchall()
    kinds = dict.fromkeys(sources[number].schema.kind for (number,) in numbers)
    return Placed(num_rows, first_us, last_us, num_late, list(kinds))


def write_kind(
    connection: Any,
    sources: Sequence[CheckedSource],
    kind: str,
    folder: Path,
    after_seq: int,
    log_time_us: int,
) -> None:
    """Write the placed rows of one kind; log time is event time, but never before `log_time_us`."""
    selects = [
        f"SELECT {after_seq} + place AS seq, greatest(placed.time_us, {log_time_us}) AS log_time_us, "
        f"placed.time_us AS event_time_us, placed.event_id AS id"
        + "".join(f", value{i} AS {duck.name(field)}" for i, field in enumerate(source.schema.fields))
        + f" FROM {source.table} JOIN placed USING (row_number) WHERE placed.source = {number}"
        for number, source in enumerate(sources)
        if source.schema.kind == kind
    ]
    file = duck.text(str(folder / f"{kind}.parquet"))
    connection.execute(
        f"COPY (SELECT * FROM ({' UNION ALL '.join(selects)}) ORDER BY seq) TO {file} {COPY_OPTIONS}"
    )


def insert_ids(connection: Any, database: sqlite3.Connection, after_seq: int) -> None:
    """Make the placed ids known to the log, inside a transaction of the caller."""
    # In order, so that SQLite fills its pages one after the other.
    rows = connection.execute(
        f"SELECT event_id, {after_seq} + place FROM placed WHERE event_id IS NOT NULL ORDER BY event_id"
    )
    while chunk := rows.fetchmany(_CHUNK_IDS):
        database.executemany("INSERT INTO ids VALUES (?, ?)", chunk)


def _good_rows_sql(number: int, source: CheckedSource) -> str:
    return f"SELECT {number} AS source, row_number, time_us, event_id FROM {source.table} WHERE fault = -1"


def _find_known_ids(connection: Any, rows: str, database: sqlite3.Connection) -> None:
    """Fill the table `known` with the ids that the log has already."""
    connection.execute("CREATE TABLE known(id VARCHAR)")
    if database.execute("SELECT 1 FROM ids LIMIT 1").fetchone() is None:
        return
    ids = connection.cursor().execute(f"SELECT DISTINCT event_id FROM ({rows}) ORDER BY event_id")
    while chunk := [row[0] for row in ids.fetchmany(_CHUNK_IDS)]:
        known = list(tables.seqs_of_ids(database, chunk))
        connection.execute("INSERT INTO known SELECT unnest($ids::VARCHAR[])", {"ids": known})
