"""DuckDB as the room uses it: in this process only, loading nothing from outside, times in UTC."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shortlist.log.blocks import decode_cells
from shortlist.log.bodies import BodyCodec, TailRow
from shortlist.log.columns import NULL_INT, Floats, Strings
from shortlist.log.schema import EventSchema

SQL_TYPES: Mapping[str, str] = {
    "str": "VARCHAR",
    "int": "BIGINT",
    "float": "DOUBLE",
    "bool": "BOOLEAN",
    "time": "BIGINT",
    "floats": "FLOAT[]",
}
_NO_LIST = -1
"""The length of a list that is null."""


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


def tail_sql(cursor: Any, codec: BodyCodec, rows: Sequence[TailRow]) -> str:
    """Lend rows of the tail, of the codec's kind, to the connection; return the query of their columns."""
    blocks = [row for row in rows if isinstance(row.body, bytes)]
    parts = _blocks_sql(cursor, codec, blocks) if blocks else []
    if len(blocks) < len(rows) or not blocks:
        parts.append(_events_sql(cursor, codec.schema, [row for row in rows if isinstance(row.body, str)]))
    return f"FROM ({' UNION ALL '.join(parts)}) ORDER BY seq"


def _events_sql(cursor: Any, schema: EventSchema, rows: Sequence[TailRow]) -> str:
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
        f"FROM (SELECT *, {decoded} AS decoded FROM {name(table)})"
    )


def _blocks_sql(cursor: Any, codec: BodyCodec, blocks: Sequence[TailRow]) -> list[str]:
    """Lend rows that are blocks, one table for each combination of lengths that their lists have."""
    schema = codec.schema
    decoded = [
        decode_cells(schema, row.body, row.num_events) for row in blocks if isinstance(row.body, bytes)
    ]
    columns = codec.columns(blocks, decoded)
    counts = [row.num_events for row in blocks]
    lengths = {
        field: np.where(
            np.repeat([field in cells for cells in decoded], counts), np.diff(column.offsets), _NO_LIST
        )
        for field, column in columns.fields.items()
        if isinstance(column, Floats)
    }
    alike = np.stack([np.zeros(len(columns), np.int64), *lengths.values()])
    combinations, of_row = np.unique(alike, axis=1, return_inverse=True)
    queries = []
    for number in range(combinations.shape[1]):
        rows = np.flatnonzero(of_row.reshape(-1) == number)
        arrays: dict[str, npt.NDArray[Any]] = {
            "seq": columns.seq[rows],
            "log_time_us": columns.log_time_us[rows],
            "event_time_us": columns.event_time_us[rows],
        }
        fields = []
        for position, (field, column) in enumerate(columns.fields.items()):
            lent, value = f"f{position}", _value_sql(f"f{position}", schema.fields[field])
            if isinstance(column, Strings):
                arrays[lent] = np.array([*column.values, None], object)[column.codes[rows]]
            elif isinstance(column, Floats):
                width = int(lengths[field][rows[0]])
                # Side by side, so that DuckDB makes the lists itself, without Python's lock.
                parts = [f"{lent}_{i}" for i in range(width)]
                values = column.values[column.offsets[rows][:, None] + np.arange(len(parts))]
                arrays.update(zip(parts, np.ascontiguousarray(values.T), strict=True))
                numbers = ", ".join(f"coalesce({part}, 'nan'::FLOAT)" for part in parts)
                value = "NULL::FLOAT[]" if width == _NO_LIST else f"list_value({numbers})::FLOAT[]"
            else:
                arrays[lent] = column[rows]
            fields.append(f"{value} AS {name(field)}")
        table = f"blocks_{schema.kind}_{number}"
        cursor.register(table, arrays)
        selected = ["seq, log_time_us, event_time_us, NULL::VARCHAR AS id", *fields]
        queries.append(f"SELECT {', '.join(selected)} FROM {name(table)}")
    return queries


def _value_sql(lent: str, type_: str) -> str:
    """Write the expression of a value from what stands for it in `Columns`; a NaN DuckDB takes for null."""
    if type_ in ("str", "float"):
        return f"{lent}::{SQL_TYPES[type_]}"
    if type_ == "bool":
        return f"CASE WHEN {lent} >= 0 THEN {lent} = 1 END"
    return f"nullif({lent}, {NULL_INT})"


def nan_for_null(floats: str) -> str:
    """Write the expression of a list in which an unknown number is NaN."""
    return f"list_transform({floats}, lambda number: coalesce(number, 'nan'::FLOAT))"
