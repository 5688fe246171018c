"""The embedded log: SQLite for the newest events, Parquet for the rest, one folder, no server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from shortlist.log import tables
from shortlist.log.blocks import Block
from shortlist.log.bodies import BodyCodec, Encoded, TailRow
from shortlist.log.columns import Batch
from shortlist.log.durable import FolderLock
from shortlist.log.errors import EventRejected, LogClosed, LogMissing, UnknownKind
from shortlist.log.history import HistorySource, ImportReport
from shortlist.log.importing import Importer
from shortlist.log.reader import Reader
from shortlist.log.record import Appended, Event, Record
from shortlist.log.rejects import sweep_rejects
from shortlist.log.scan import Scan
from shortlist.log.schema import EventSchema
from shortlist.log.sealing import Sealer
from shortlist.log.segments import SegmentFolder
from shortlist.log.values import MAX_ID_CHARS, MAX_INT
from shortlist.log.writer import Writer


def now_us() -> int:
    """Return the time now in UTC microseconds."""
    return time.time_ns() // 1000


class SqliteLog:
    """An `EventLog` in a folder of its own.

    One opener writes; any number of others, in other processes too, may read with `read_only`.

    Args:
        folder: made if it is not there (and not `read_only`).
        schemas: the kinds to append; kinds already in the log need no mention.
        clock: the time now in UTC microseconds.
        read_only: only read; what the writer appends meanwhile shows.
        seal_after_events: how long the SQLite tail may grow before it is sealed in the background.
        max_pending_events: how many submitted events may wait for the disk.

    Raises:
        LogLocked: when another opener writes to the folder.
        LogMissing: when `read_only` finds no log.
        SchemaChanged: when a field in the log was removed or retyped.
    """

    def __init__(
        self,
        folder: Path,
        schemas: Iterable[EventSchema] = (),
        clock: Callable[[], int] = now_us,
        *,
        read_only: bool = False,
        seal_after_events: int = 200_000,
        max_pending_events: int = 100_000,
    ) -> None:
        self.folder = Path(folder)
        self._clock = clock
        self._segments = SegmentFolder(self.folder)
        self._writer: Writer | None = None
        if read_only:
            if not (self.folder / tables.FILE_NAME).exists():
                raise LogMissing(
                    f"log {self.folder}: expected a log, found none. Append or import events first."
                )
            with ExitStack() as undo:
                self._reader = Reader(self.folder, self._segments)
                undo.callback(self._reader.close)
                self._reader.use(tables.merge_schemas(self._reader.schemas, schemas))
                undo.pop_all()
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = FolderLock(self.folder)
        with ExitStack() as undo:
            undo.callback(self._lock.release)
            database = tables.connect(self.folder)
            undo.callback(database.close)
            known = tables.load_schemas(database)
            merged = tables.merge_schemas(known, schemas)
            if merged != known:
                tables.save_schemas(database, merged.values())
            registered = {segment.name for segment in tables.segments(database)}
            self._segments.sweep(registered)
            sweep_rejects(self.folder, registered)
            tables.trim_tail(database)
            self._reader = Reader(self.folder, self._segments)
            undo.pop_all()
        self._writer = Writer(database, self._reader.codecs, clock, max_pending_events)
        self._sealer = Sealer(self._reader, self._writer, self._segments, seal_after_events)
        self._writer.after_commit(self._sealer.after_commit)

    @property
    def schemas(self) -> Mapping[str, EventSchema]:
        """The schema of every kind in the log."""
        return self._reader.schemas

    @property
    def codecs(self) -> Mapping[str, BodyCodec]:
        """How the bodies of every kind are encoded and decoded."""
        return self._reader.codecs

    @property
    def last_seq(self) -> int:
        """The position of the newest event; 0 in an empty log."""
        return self._writer.last_seq if self._writer else self._reader.end()[0]

    @property
    def last_log_time_us(self) -> int:
        """When the log learned of the newest event; 0 in an empty log."""
        return self._writer.last_log_time_us if self._writer else self._reader.end()[1]

    @property
    def num_commits(self) -> int:
        """How many transactions the appends of this opener took: concurrent ones share."""
        return self._writing.num_commits

    def append(self, events: Sequence[Event]) -> list[Appended]:
        """See `EventLog.append`."""
        return self.submit(events).result()

    def submit(self, events: Sequence[Event]) -> Future[list[Appended]]:
        """See `EventLog.submit`."""
        return self.submit_encoded([self.encode(event) for event in events])

    def encode(self, event: Event) -> Encoded:
        """See `EventLog.encode`."""
        codec = self._codec(event.kind)
        if event.id is not None and not _is_id(event.id):
            raise EventRejected(
                event.kind,
                "id",
                expected=f"1 to {MAX_ID_CHARS} printable characters",
                received=repr(event.id)[:80],
                mend="Send an identifier such as a UUID.",
            )
        if event.event_time_us is not None and not 0 <= event.event_time_us <= MAX_INT:
            raise EventRejected(
                event.kind,
                "time",
                expected="UTC microseconds, not negative",
                received=str(event.event_time_us),
                mend="Mend the time, or leave it out.",
            )
        return Encoded(event.kind, event.event_time_us, event.id, *codec.encode(event.fields))

    def submit_encoded(self, events: Sequence[Encoded], *, is_urgent: bool = True) -> Future[list[Appended]]:
        """See `EventLog.submit_encoded`."""
        return self._writing.submit(events, is_urgent=is_urgent)

    def submit_block(self, block: Block) -> Future[list[Appended]]:
        """See `EventLog.submit_block`."""
        self._codec(block.kind)
        return self._writing.submit(block, is_urgent=False)

    def subscribe(self, callback: Callable[[Batch], None]) -> None:
        """See `EventLog.subscribe`."""
        self._writing.subscribe(callback)

    def follow(self, callback: Callable[[Sequence[TailRow]], None]) -> None:
        """Call back in the writer's thread with the rows of every commit, as they are stored."""
        self._writing.follow(callback)

    def read(self, after_seq: int = 0, limit: int = 10_000) -> list[Record]:
        """See `EventLog.read`."""
        return self._reader.read(after_seq, limit)

    def batches(
        self, after_seq: int = 0, upto_seq: int | None = None, max_rows: int = 250_000
    ) -> Iterator[Batch]:
        """See `EventLog.batches`."""
        return self._reader.batches(after_seq, upto_seq, max_rows)

    def scan(
        self, kind: str, columns: Sequence[str] | None = None, after_seq: int = 0, upto_seq: int | None = None
    ) -> Scan:
        """See `EventLog.scan`."""
        return self._reader.scan(kind, columns, after_seq, upto_seq)

    def import_history(
        self, sources: Sequence[HistorySource], progress: Callable[[int, int], None] | None = None
    ) -> ImportReport:
        """See `EventLog.import_history`."""
        importer = Importer(self.folder, self.schemas, self._segments, self._writing, self._sealer)
        return importer.run(sources, self._clock(), progress)

    def seal(self) -> int:
        """See `EventLog.seal`."""
        return self._sealer.seal() if self._writing else 0

    def close(self) -> None:
        """See `EventLog.close`."""
        if self._writer:
            self._sealer.close()
            self._writer.close()
            self._lock.release()
        self._reader.close()
        self._segments.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _writing(self) -> Writer:
        if self._writer is None:
            raise LogClosed("log: it was opened with read_only=True. Open it without, to append.")
        return self._writer

    def _codec(self, kind: str) -> BodyCodec:
        codec = self._reader.codecs.get(kind)
        if codec is None:
            raise UnknownKind(kind, self._reader.codecs)
        return codec


def _is_id(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_ID_CHARS and value.isprintable()
