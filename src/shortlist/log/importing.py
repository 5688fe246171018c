"""The import of history: check every row in SQL, merge by event time, write one sealed segment.

Nothing shows until the segment is registered, in one transaction; a crash before that leaves only
files that the next opening sweeps away.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from shortlist.log import duck, tables
from shortlist.log.checking import CheckedSource, check_source
from shortlist.log.history import HistorySource, ImportReport
from shortlist.log.merging import insert_ids, place_rows, write_kind
from shortlist.log.progress import Progress
from shortlist.log.rejects import gather_rejects, keep_rejects
from shortlist.log.schema import EventSchema
from shortlist.log.sealing import Sealer
from shortlist.log.segments import SegmentFolder
from shortlist.log.sources import count_rows
from shortlist.log.tables import Segment
from shortlist.log.writer import Writer

_MAX_AHEAD_US = 24 * 3_600_000_000
"""How far past the log's clock an event time may be: one wrong year would hold up all later log times."""

_CHECKING_SHARE = 0.6
_REJECTS_SHARE = 0.7
_PLACING_SHARE = 0.8


class Importer:
    """Imports history into a log that may be appended to meanwhile.

    Reading and checking run beside the appends; appends wait while the segment is written.
    """

    def __init__(
        self,
        folder: Path,
        schemas: Mapping[str, EventSchema],
        segments: SegmentFolder,
        writer: Writer,
        sealer: Sealer,
    ) -> None:
        self._folder = folder
        self._schemas = schemas
        self._segments = segments
        self._writer = writer
        self._sealer = sealer

    def run(
        self, sources: Sequence[HistorySource], now_us: int, report: Callable[[int, int], None] | None
    ) -> ImportReport:
        """Import the sources; see `EventLog.import_history`."""
        upto_us = max(now_us, self._writer.last_log_time_us) + _MAX_AHEAD_US
        total_rows = sum(map(count_rows, sources)) if report else 0
        with (
            self._sealer.lock,
            self._segments.staging() as staging,
            duck.connect(staging / "spill") as connection,
        ):
            connection.execute("SET TimeZone = 'UTC'")
            progress = Progress(connection, report, total_rows)
            checked = []
            for number, source in enumerate(sources):
                shares = [_CHECKING_SHARE * (number + i) / len(sources) for i in (0, 1)]
                with progress.phase(*shares):
                    checked.append(check_source(connection, source, number, self._schemas, upto_us))
            with progress.phase(_CHECKING_SHARE, _REJECTS_SHARE):
                reasons = gather_rejects(connection, checked)
            self._sealer.seal()
            return self._writer.between_commits(
                lambda database: self._finish(database, connection, checked, staging, reasons, progress)
            )

    def _finish(
        self,
        database: sqlite3.Connection,
        connection: Any,
        sources: Sequence[CheckedSource],
        staging: Path,
        reasons: dict[str, int],
        progress: Progress,
    ) -> ImportReport:
        """Give the good rows their positions, write, publish and register them: no append in between."""
        self._sealer.seal_last(database)
        end_seq, end_time_us = tables.end_of_log(database)
        with progress.phase(_REJECTS_SHARE, _PLACING_SHARE):
            placed = place_rows(connection, sources, database, end_time_us)
        segment = None
        if placed.last_time_us is not None:
            last_log_time_us = max(placed.last_time_us, end_time_us)
            fields = {kind: list(self._schemas[kind].fields) for kind in placed.kinds}
            segment = Segment(end_seq + 1, end_seq + placed.num_rows, last_log_time_us, fields)
        rejected_file = keep_rejects(connection, staging, self._folder, segment) if reasons else None
        if segment:
            written = staging / "segment"
            written.mkdir()
            for nth, kind in enumerate(placed.kinds):
                shares = [
                    _PLACING_SHARE + (1 - _PLACING_SHARE) * (nth + i) / len(placed.kinds) for i in (0, 1)
                ]
                with progress.phase(*shares):
                    write_kind(connection, sources, kind, written, end_seq, end_time_us)
            self._segments.publish(written, segment)
            with tables.transaction(database):
                insert_ids(connection, database, end_seq)
                tables.add_segment(database, segment)
        num_rows = sum(source.num_rows for source in sources)
        num_rejected = sum(reasons.values())
        return ImportReport(
            num_rows=num_rows,
            num_imported=placed.num_rows,
            num_rejected=num_rejected,
            num_duplicates=num_rows - placed.num_rows - num_rejected,
            num_late=placed.num_late,
            reasons=reasons,
            rejected_file=rejected_file,
            first_time_us=placed.first_time_us,
            last_time_us=placed.last_time_us,
        )
