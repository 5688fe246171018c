"""Rows that an import refused: kept beside the log, each with its reason, never dropped in silence."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from shortlist.durable import sync
from shortlist.log import duck
from shortlist.log.checking import CheckedSource
from shortlist.log.tables import Segment

FOLDER_NAME = "rejected"
_WITHOUT_SEGMENT = "none-"


def gather_rejects(connection: Any, sources: Sequence[CheckedSource]) -> dict[str, int]:
    """Fill the table `rejected` from all sources; return how often each reason occurs."""
    connection.execute(
        "CREATE TABLE rejected(source VARCHAR, row BIGINT, field VARCHAR, expected VARCHAR, "
        "received VARCHAR, record VARCHAR)"
    )
    for source in sources:
        name = duck.text(source.name)
        connection.execute(
            f"INSERT INTO rejected SELECT {name}, row_number, 'row', 'a readable line', problem, line "
            f"FROM {source.unreadable}"
        )
        (num_faults,) = duck.row(connection, f"SELECT count(*) FROM {source.table} WHERE fault >= 0")
        if num_faults:
            connection.execute(_faulty_rows_sql(source, name))
    rows = connection.execute(
        "SELECT field || CASE WHEN received = 'nothing' THEN ': missing' ELSE ': expected ' || expected END "
        "AS reason, count(*) AS num FROM rejected GROUP BY reason ORDER BY num DESC, reason"
    ).fetchall()
    return dict(rows)


def keep_rejects(connection: Any, staging: Path, folder: Path, segment: Segment | None) -> Path:
    """Write the table `rejected` durably into the log's folder, under the name of the import's segment."""
    written = staging / "rejected.jsonl"
    connection.execute(f"COPY (FROM rejected ORDER BY ALL) TO {duck.text(str(written))} (FORMAT json)")
    sync(written)
    keeping = folder / FOLDER_NAME
    keeping.mkdir(exist_ok=True)
    final = keeping / f"{segment.name if segment else _WITHOUT_SEGMENT + uuid.uuid4().hex}.jsonl"
    written.rename(final)
    sync(keeping)
    return final


def sweep_rejects(folder: Path, registered: Collection[str]) -> None:
    """Remove the rejects of imports that a crash undid."""
    for file in (folder / FOLDER_NAME).glob("*.jsonl"):
        if file.stem not in registered and not file.stem.startswith(_WITHOUT_SEGMENT):
            file.unlink()


def _faulty_rows_sql(source: CheckedSource, name: str) -> str:
    """Read the source once more, for the faulty rows as they came."""

    def case(values: list[str]) -> str:
        return f"CASE fault {' '.join(f'WHEN {i} THEN {value}' for i, value in enumerate(values))} END"

    cells = case([f"{fault.cell}::VARCHAR" for fault in source.faults])
    # The reader counts the rows it could read; a person counts all of them. `after` is the count of
    # readable rows at which `num_before` unreadable ones have gone before.
    gaps = (
        f"SELECT row_number - nth AS after, max(nth) AS num_before FROM (SELECT row_number, "
        f"row_number() OVER (ORDER BY row_number) AS nth FROM {source.unreadable}) GROUP BY after"
    )
    faulty = (
        f"SELECT row_number, {case([duck.text(fault.field) for fault in source.faults])} AS field, "
        f"{case([duck.text(fault.expected) for fault in source.faults])} AS expected, "
        f"coalesce(nullif({cells}, ''), 'nothing') AS received, {source.opened.record} AS record "
        f"FROM {source.opened.rows} JOIN {source.table} USING (row_number) WHERE fault >= 0"
    )
    return (
        f"INSERT INTO rejected SELECT {name}, row_number + coalesce(num_before, 0), field, expected, "
        f"received, record FROM ({faulty}) faulty "
        f"ASOF LEFT JOIN ({gaps}) gaps ON faulty.row_number > gaps.after"
    )
