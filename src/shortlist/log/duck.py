"""DuckDB as the room uses it: in this process only, loading nothing from outside, times in UTC."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shortlist.log.bodies import TailRow
from shortlist.log.schema import EventSchema

SQL_TYPES: Mapping[str, str] = {
    "str": "VARCHAR",
    "int": "BIGINT",
    "float": "DOUBLE",
    "bool": "BOOLEAN",
    "time": "BIGINT",
    "floats": "FLOAT[]",
}


def connect(spill_folder: Path, num_threads: int | None = None) -> Any:
    """Open an empty in-memory database that spills into the folder when memory runs short.

    It works with as many threads as there are cores, or with the number given.
    """
    import duckdb

    return duckdb.connect(
        config={
            "temp_directory": str(spill_folder),
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            **({} if num_threads is None else {"threads": str(num_threads)}),
        }
    )


def row(connection: Any, query: str, parameters: Mapping[str, object] | None = None) -> tuple[Any, ...]:
    """Return the one row of a query; the result is read to its end, as DuckDB demands before other work."""
    rows: list[tuple[Any, ...]] = connection.execute(query, parameters or {}).fetchall()
    assert len(rows) == 1, query
    return rows[0]


def name(identifier: str) -> str:
    """Quote a name."""
    return '"' + identifier.replace('"', '""') + '"'


def text(value: str) -> str:
    """Quote a text constant."""
    return "'" + value.replace("'", "''") + "'"


def file(path: Path) -> str:
    """Quote a path to read, so that its characters are not taken for a pattern."""
    return text(re.sub(r"([*?\[])", r"[\1]", str(path)))


def tail_sql(cursor: Any, schema: EventSchema, rows: Sequence[TailRow]) -> str:
    """Lend rows of one kind of the tail to the connection; return the query of their typed columns."""
    table = f"tail_{schema.kind}"
    cursor.register(
        table,
        {
            "seq": np.array([row.seq for row in rows], np.int64),
            "log_time_us": np.array([row.log_time_us for row in rows], np.int64),
            "event_time_us": np.array([row.event_time_us for row in rows], np.int64),
            "id": np.array([row.id for row in rows], object),
            "body": np.array([row.body for row in rows], object),
        },
    )
    structure = {
        field: ["FLOAT"] if type_ == "floats" else SQL_TYPES[type_] for field, type_ in schema.fields.items()
    }
    decoded = f"from_json(body, {text(json.dumps(structure))})" if structure else "NULL"
    fields = [
        f"{nan_for_null(value) if type_ == 'floats' else value} AS {name(field)}"
        for field, type_ in schema.fields.items()
        for value in [f"decoded.{name(field)}"]
    ]
    return (
        f"SELECT {', '.join(['seq, log_time_us, event_time_us, id::VARCHAR AS id', *fields])} "
        f"FROM (SELECT *, {decoded} AS decoded FROM {name(table)}) ORDER BY seq"
    )


def nan_for_null(floats: str) -> str:
    """Write the expression of a list in which an unknown number is NaN."""
    return f"list_transform({floats}, lambda number: coalesce(number, 'nan'::FLOAT))"
