"""A log that another process keeps: read from its folder, appended to and followed through a channel."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

from shortlist.log.blocks import Block
from shortlist.log.bodies import Encoded, TailRow, batch_from_rows
from shortlist.log.channel import Channel
from shortlist.log.columns import Batch
from shortlist.log.errors import LogClosed, UnknownKind
from shortlist.log.history import HistorySource, ImportReport
from shortlist.log.record import Appended, Event, Record
from shortlist.log.scan import Scan
from shortlist.log.schema import EventSchema
from shortlist.log.sqlite import SqliteLog

_logger = logging.getLogger(__name__)


class RemoteLog:
    """An `EventLog` whose writer is in another process, see `Keeper`.

    An append is answered when every process that follows the log has taken it in. History is imported,
    and the tail sealed, by the process that keeps the log.

    Args:
        folder: of the log.
        schemas: the kinds to append; the keeper has opened the log with them already.
        channel: one end of a pair of connected stream sockets; the keeper has the other.
        lost: called in a thread of the log when the keeper has gone, except after `close`.
        max_pending_events: how many submitted events may wait for their receipts.

    Raises:
        LogMissing: when there is no log in the folder.
    """

    def __init__(
        self,
        folder: Path,
        schemas: Iterable[EventSchema],
        channel: socket.socket,
        lost: Callable[[], None] = lambda: None,
        *,
        max_pending_events: int = 100_000,
    ) -> None:
        self._reading = SqliteLog(folder, schemas, read_only=True)
        self._subscribers: list[Callable[[Batch], None]] = []
        self._channel = Channel(channel, self._reading.codecs, self._taken, lost, max_pending_events)

    @property
    def schemas(self) -> Mapping[str, EventSchema]:
        """The schema of every kind in the log."""
        return self._reading.schemas

    @property
    def last_seq(self) -> int:
        """The position of the newest event; of those that have come here, once there is a subscriber."""
        return self._channel.end[0] if self._channel.end else self._reading.last_seq

    @property
    def last_log_time_us(self) -> int:
        """When the log learned of that event; 0 in an empty log."""
        return self._channel.end[1] if self._channel.end else self._reading.last_log_time_us

    def append(self, events: Sequence[Event]) -> list[Appended]:
        """See `EventLog.append`."""
        return self.submit(events).result()

    def submit(self, events: Sequence[Event]) -> Future[list[Appended]]:
        """See `EventLog.submit`."""
        return self.submit_encoded([self.encode(event) for event in events])

    def encode(self, event: Event) -> Encoded:
        """See `EventLog.encode`."""
        return self._reading.encode(event)

    def submit_encoded(self, events: Sequence[Encoded], *, is_urgent: bool = True) -> Future[list[Appended]]:
        """See `EventLog.submit_encoded`."""
        return self._channel.submit(events, len(events), is_urgent=is_urgent)

    def submit_block(self, block: Block) -> Future[list[Appended]]:
        """See `EventLog.submit_block`."""
        if block.kind not in self._reading.codecs:
            raise UnknownKind(block.kind, self._reading.codecs)
        return self._channel.submit(block, block.num_events, is_urgent=False)

    def subscribe(self, callback: Callable[[Batch], None]) -> None:
        """See `EventLog.subscribe`: what `last_seq` says when it returns, and before, lies on the disk.

        Raises:
            LogClosed: when the keeper has gone.
        """
        self._subscribers.append(callback)
        if self._channel.end is None:
            self._channel.follow()

    def read(self, after_seq: int = 0, limit: int = 10_000) -> list[Record]:
        """See `EventLog.read`."""
        return self._reading.read(after_seq, limit)

    def batches(
        self, after_seq: int = 0, upto_seq: int | None = None, max_rows: int = 250_000
    ) -> Iterator[Batch]:
        """See `EventLog.batches`."""
        return self._reading.batches(after_seq, upto_seq, max_rows)

    def scan(
        self, kind: str, columns: Sequence[str] | None = None, after_seq: int = 0, upto_seq: int | None = None
    ) -> Scan:
        """See `EventLog.scan`."""
        return self._reading.scan(kind, columns, after_seq, upto_seq)

    def import_history(
        self, sources: Sequence[HistorySource], progress: Callable[[int, int], None] | None = None
    ) -> ImportReport:
        """Refuse, see the class."""
        self._refuse()

    def seal(self) -> int:
        """Refuse, see the class."""
        self._refuse()

    def close(self) -> None:
        """See `EventLog.close`: what is committed until all receipts are here still comes."""
        self._channel.close()
        self._reading.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _taken(self, rows: Sequence[TailRow]) -> None:
        batch = batch_from_rows(rows, self._reading.codecs)
        for callback in self._subscribers:
            try:
                callback(batch)
            except Exception:
                # The events are durable, whatever a subscriber makes of them: the append succeeded.
                _logger.exception("a subscriber failed on seq %d to %d", rows[0].first_seq, rows[-1].seq)

    def _refuse(self) -> NoReturn:
        raise LogClosed("log: another process keeps it. Stop that one, and open the log itself.")
