"""The log as the rest of Shortlist sees it; every backend keeps this promise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Protocol, Self

from shortlist.log.blocks import Block
from shortlist.log.bodies import Encoded
from shortlist.log.columns import Batch
from shortlist.log.history import HistorySource, ImportReport
from shortlist.log.record import Appended, Event, Record
from shortlist.log.scan import Scan
from shortlist.log.schema import EventSchema


class EventLog(Protocol):
    """One durable, ordered log of events: positions 1, 2, 3... without gaps, log times never falling."""

    @property
    def schemas(self) -> Mapping[str, EventSchema]:
        """The schema of every kind in the log."""

    @property
    def last_seq(self) -> int:
        """The position of the newest event; 0 in an empty log."""

    @property
    def last_log_time_us(self) -> int:
        """When the log learned of the newest event; 0 in an empty log."""

    def append(self, events: Sequence[Event]) -> list[Appended]:
        """Keep all of the events or none; return when they are on the disk.

        An event whose id the log has seen before is accepted without a second effect.

        Raises:
            UnknownKind: for a kind without a schema.
            EventRejected: for fields that do not fit.
            LogBusy: when too many events wait already.
            CommitFailed: when the disk did not take them.
        """

    def submit(self, events: Sequence[Event]) -> Future[list[Appended]]:
        """Do as `append`, without waiting: the future resolves when the events are on the disk."""

    def encode(self, event: Event) -> Encoded:
        """Check an event and bring it into its stored form, for `submit_encoded`: each is judged alone.

        Raises:
            UnknownKind: for a kind without a schema.
            EventRejected: for fields that do not fit.
        """

    def submit_encoded(self, events: Sequence[Encoded], *, is_urgent: bool = True) -> Future[list[Appended]]:
        """Do as `submit` with what `encode` returned.

        What is not urgent may wait a moment for others, so that they share a commit.
        """

    def submit_block(self, block: Block) -> Future[list[Appended]]:
        """Do as `submit` with the events of a block, at a fraction of its cost; it is not urgent.

        The block is checked when its turn comes: the future fails with `EventRejected` when it does not
        fit. Its one receipt is that of the last event.

        Raises:
            UnknownKind: for a kind without a schema.
            LogBusy: when too many events wait already.
        """

    def subscribe(self, callback: Callable[[Batch], None]) -> None:
        """Call back with every batch of new events, in order, before its appends return.

        Duplicates are not delivered. The callback runs in the writer's thread, so it must be quick,
        and must not append and wait. Imported history is not delivered: replay it with `batches`.
        """

    def read(self, after_seq: int = 0, limit: int = 10_000) -> list[Record]:
        """Return up to `limit` records after a position, in order."""

    def batches(
        self, after_seq: int = 0, upto_seq: int | None = None, max_rows: int = 250_000
    ) -> Iterator[Batch]:
        """Replay the log in order as columns, up to a position or where the log ends now."""

    def scan(
        self, kind: str, columns: Sequence[str] | None = None, after_seq: int = 0, upto_seq: int | None = None
    ) -> Scan:
        """Return one kind's rows as they stand now, all fields or some, as columns or Arrow."""

    def import_history(
        self, sources: Sequence[HistorySource], progress: Callable[[int, int], None] | None = None
    ) -> ImportReport:
        """Append history from files or arrays, merged in event-time order; all of it or nothing.

        The log time of an imported event is its event time, or the log's newest log time if that is
        later. Bad rows are kept aside and counted. `progress` gets (rows done, rows in all).
        """

    def seal(self) -> int:
        """Move the newest events into columnar files now; return how many."""

    def close(self) -> None:
        """Make everything submitted durable, and give the log free."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
