"""Opening a history source as an SQL table of numbered rows, before anything is checked."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from shortlist.log import duck
from shortlist.log.errors import HistoryInvalid
from shortlist.log.history import HistorySource

_MAX_LINE_BYTES = 16 << 20
_SAMPLE_ROWS = 1000
# A byte that no JSON text holds: every line is one cell.
_NO_DELIMITER = "\x02"


@dataclass(frozen=True)
class OpenSource:
    """A source as SQL.

    Attributes:
        rows: what to select from; `row_number` counts the rows that could be read, from 1.
        cells: column name to (SQL expression of its cell, SQL type).
        record: the SQL expression of a whole row as text.
        malformed: the SQL condition of a row that is no record at all.
        rejects: the table where the reader puts the lines it could not read; None when it reads all.
        num_header_lines: lines before the first row, which `rejects` counts.
    """

    rows: str
    cells: Mapping[str, tuple[str, str]]
    record: str
    malformed: str = "false"
    rejects: str | None = None
    num_header_lines: int = 0


def open_source(connection: Any, source: HistorySource, number: int) -> OpenSource:
    """Open a source.

    Raises:
        HistoryInvalid: when it is not there, of no known format, or lacks a column that is named.
    """
    named = [column for column in source.fields.values() if isinstance(column, str)]
    named += [column for column in (source.time, source.id) if column is not None]
    if isinstance(source.source, Mapping):
        opened = _open_arrays(connection, source, number)
    else:
        path = Path(source.source)
        if not path.is_file():
            raise HistoryInvalid(f"{source.kind}: expected a file, found none at {path}. Mend the path.")
        if path.suffix == ".csv":
            opened = _open_csv(path, number)
        elif path.suffix == ".jsonl":
            opened = _open_jsonl(connection, path, number, named)
        elif path.suffix == ".parquet":
            opened = _open_parquet(connection, path)
        else:
            raise HistoryInvalid(
                f"{path.name}: expected a .csv, .jsonl or .parquet file, received {path.suffix!r}. "
                f"Convert it, or pass its columns as arrays."
            )
    if absent := sorted(set(named) - set(opened.cells)):
        raise HistoryInvalid(
            f"{source.name}: expected the columns {absent}, but it has {sorted(opened.cells)}. "
            f"Mend the names in the source's fields, time or id."
        )
    return opened


def count_rows(source: HistorySource) -> int:
    """Return about how many rows a source has, quickly; 0 where that cannot be told."""
    if isinstance(source.source, Mapping):
        return len(next(iter(source.source.values()), ()))
    path = Path(source.source)
    if path.suffix == ".parquet" and path.is_file():
        query = f"SELECT sum(num_rows)::BIGINT FROM parquet_file_metadata({duck.file(path)})"
        with duck.connect(path.parent) as connection:
            return int(duck.row(connection, query)[0])
    if not path.is_file():
        return 0
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 22), b""))


def _open_arrays(connection: Any, source: HistorySource, number: int) -> OpenSource:
    assert isinstance(source.source, Mapping)
    arrays = {column: _array(values) for column, values in source.source.items()}
    if len({len(array) for array in arrays.values()}) > 1:
        lengths = {column: len(array) for column, array in arrays.items()}
        raise HistoryInvalid(f"{source.name}: expected columns of one length, received {lengths}.")
    num_rows = len(next(iter(arrays.values()), ()))
    connection.register(f"arrays_{number}", {**arrays, "row_number": np.arange(1, num_rows + 1)})
    return _typed(connection, duck.name(f"arrays_{number}"))


def _array(values: Sequence[Any]) -> Any:
    if isinstance(values, np.ndarray) and values.ndim == 1:
        return values
    if len(values) and isinstance(values[0], (list, tuple, np.ndarray)):
        return np.array([msgspec.json.encode(list(map(float, row))).decode() for row in values], object)
    if any(isinstance(value, str) or value is None for value in values):
        return np.array(values, object)
    return np.asarray(values)


def _open_parquet(connection: Any, path: Path) -> OpenSource:
    table = (
        f"(SELECT * EXCLUDE (file_row_number), file_row_number + 1 AS row_number "
        f"FROM read_parquet({duck.file(path)}, file_row_number = true))"
    )
    return _typed(connection, table)


def _typed(connection: Any, table: str) -> OpenSource:
    types = {row[0]: row[1] for row in connection.execute(f"DESCRIBE SELECT * FROM {table}").fetchall()}
    del types["row_number"]
    cells = {column: (duck.name(column), type_) for column, type_ in types.items()}
    return OpenSource(table, cells, _record(types))


def _open_csv(path: Path, number: int) -> OpenSource:
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        columns = next(csv.reader(file), [])
    if len(set(columns)) < len(columns):
        raise HistoryInvalid(f"{path.name}: expected a header with distinct names, received {columns}.")
    rows = _text_rows(path, number, columns, header=True, delimiter=",", quote='"')
    cells = {column: (duck.name(column), "VARCHAR") for column in columns}
    return OpenSource(rows, cells, _record(columns), rejects=f"rejects_{number}", num_header_lines=1)


def _open_jsonl(connection: Any, path: Path, number: int, named: Sequence[str]) -> OpenSource:
    lines = _text_rows(path, number, ["line"], header=False, delimiter=_NO_DELIMITER, quote="")
    rows = f"(SELECT row_number, line, TRY_CAST(line AS JSON) AS json FROM {lines} WHERE line IS NOT NULL)"
    sample = f"FROM (FROM {rows} LIMIT {_SAMPLE_ROWS}) WHERE json_type(json) = 'OBJECT'"
    columns = {
        row[0] for row in connection.execute(f"SELECT DISTINCT unnest(json_keys(json)) {sample}").fetchall()
    }
    for column in set(named) - columns:
        # Not in the first rows, but it may come later.
        (found,) = connection.execute(
            f"SELECT count(*) FROM (SELECT 1 FROM {rows} WHERE json_exists(json, {_pointer(column)}) LIMIT 1)"
        ).fetchone()
        if found:
            columns.add(column)
    return OpenSource(
        rows,
        {column: (f"(json ->> {_pointer(column)})", "VARCHAR") for column in columns},
        "line",
        malformed="coalesce(json_type(json), '') <> 'OBJECT'",
        rejects=f"rejects_{number}",
    )


def _text_rows(
    path: Path, number: int, columns: Sequence[str], *, header: bool, delimiter: str, quote: str
) -> str:
    # The dialect is fixed and the names are given: a guess from a sample would depend on the bad rows.
    types = ", ".join(f"{duck.text(column)}: 'VARCHAR'" for column in columns)
    return (
        f"(SELECT row_number() OVER () AS row_number, * FROM read_csv({duck.file(path)}, "
        f"auto_detect = false, header = {header}, delim = {duck.text(delimiter)}, "
        f"quote = {duck.text(quote)}, escape = {duck.text(quote)}, columns = {{{types}}}, "
        f"max_line_size = {_MAX_LINE_BYTES}, "
        f"store_rejects = true, rejects_table = 'rejects_{number}', rejects_scan = 'scans_{number}'))"
    )


def _record(columns: Sequence[str] | Mapping[str, str]) -> str:
    members = ", ".join(f"{duck.text(column)}: {duck.name(column)}" for column in columns)
    return f"to_json({{{members}}})::VARCHAR"


def _pointer(column: str) -> str:
    return duck.text("/" + column.replace("~", "~0").replace("/", "~1"))
