"""What to import: sources of past events and how their columns become fields; and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

TimeUnit = Literal["us", "ms", "s", "rfc3339"]


@dataclass(frozen=True, slots=True)
class Constant:
    """A field that has the same value in every row of a source."""

    value: str | int | float | bool


@dataclass(frozen=True, slots=True)
class HistorySource:
    """A table of past events of one kind.

    Args:
        kind: the kind its rows become.
        source: a .csv (with a header), .jsonl or .parquet file, or columns in memory: name to array or
            list, all of one length.
        fields: log field to the column it comes from, or to a `Constant`. Optional fields may be absent.
        time: the column of the event time.
        time_unit: its unit; "rfc3339" is text with a zone. A timestamp column of a Parquet file is
            taken as it is, in UTC.
        id: the column that names each event, so that importing it again has no effect.
    """

    kind: str
    source: Path | Mapping[str, Sequence[Any]]
    fields: Mapping[str, str | Constant]
    time: str
    time_unit: TimeUnit = "us"
    id: str | None = None

    @property
    def name(self) -> str:
        """How reports call the source."""
        return f"{self.kind} columns" if isinstance(self.source, Mapping) else Path(self.source).name


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did; num_rows = num_imported + num_rejected + num_duplicates.

    Attributes:
        num_rows: rows in all sources.
        num_imported: rows now in the log.
        num_rejected: bad rows, kept in `rejected_file`.
        num_duplicates: rows whose id the log, or an earlier row, had already.
        num_late: imported rows older than the log's newest log time, which they got as log time.
        reasons: reason to number of rejected rows, most frequent first.
        rejected_file: JSON lines with source, row (from 1), field, expected, received and the row
            itself; None when no row was rejected.
        first_time_us: the earliest imported event time; None when nothing was imported.
        last_time_us: the latest one.
    """

    num_rows: int
    num_imported: int
    num_rejected: int
    num_duplicates: int
    num_late: int
    reasons: dict[str, int] = field(default_factory=dict)
    rejected_file: Path | None = None
    first_time_us: int | None = None
    last_time_us: int | None = None
