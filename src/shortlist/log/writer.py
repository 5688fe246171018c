"""The one writer thread: concurrent appends share one transaction, one fsync.

While a commit waits for the disk, the submissions behind it gather; the next commit takes them all,
up to a bound. So a lone producer gets the disk's latency, and many get its bandwidth. What nobody waits
for gathers a little longer: a commit and what follows it cost much the same for one slate and for ten.
"""

from __future__ import annotations

import logging
import math
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple, TypeVar

from shortlist.log import tables
from shortlist.log.blocks import Block
from shortlist.log.bodies import BodyCodec, Encoded, TailRow, batch_from_rows
from shortlist.log.columns import Batch
from shortlist.log.errors import CommitFailed, LogBusy, LogClosed
from shortlist.log.record import Appended

_MAX_GROUP_EVENTS = 10_000
_LINGER_S = 0.05
"""How long a submission may wait for others when nobody waits for it."""

_logger = logging.getLogger(__name__)
Result = TypeVar("Result")


class _Submission(NamedTuple):
    """What is kept or refused together; a block is encoded when its turn comes."""

    events: Sequence[Encoded] | Block
    num_events: int
    future: Future[list[Appended]]


class _Task(NamedTuple):
    run: Callable[[sqlite3.Connection], Any]
    future: Future[Any]


class Writer:
    """Owns the writing connection and the end of the log.

    Args:
        database: the connection that only this writer uses from now on.
        codecs: by kind, to encode blocks and to build what the subscribers get.
        clock: the time now in UTC microseconds.
        max_pending_events: how many events may wait before `submit` refuses.
    """

    def __init__(
        self,
        database: sqlite3.Connection,
        codecs: Mapping[str, BodyCodec],
        clock: Callable[[], int],
        max_pending_events: int,
    ) -> None:
        self._database = database
        self._codecs = codecs
        self._clock = clock
        self._max_pending_events = max_pending_events
        self._queue: deque[_Submission | _Task] = deque()
        self._num_pending = 0
        self._due_s = math.inf
        self._wake = threading.Condition()
        self._closing = False
        self._subscribers: list[Callable[[Batch], None]] = []
        self._followers: list[Callable[[Sequence[TailRow]], None]] = []
        self._after_commit: Callable[[int], None] = lambda last_seq: None
        self.num_commits = 0
        self.last_seq, self.last_log_time_us = tables.end_of_log(database)
        self._thread = threading.Thread(target=self._work, name="shortlist-log-writer", daemon=True)
        self._thread.start()

    def subscribe(self, callback: Callable[[Batch], None]) -> None:
        """Call back with every batch committed from now on."""
        self._subscribers.append(callback)

    def follow(self, callback: Callable[[Sequence[TailRow]], None]) -> None:
        """Call back with the rows of every commit from now on, as they are stored; it must not raise."""
        self._followers.append(callback)

    def after_commit(self, callback: Callable[[int], None]) -> None:
        """Call back with the last position after every commit, when its futures are resolved."""
        self._after_commit = callback

    def submit(self, events: Sequence[Encoded] | Block, *, is_urgent: bool) -> Future[list[Appended]]:
        """Queue events that are kept or refused together; of a block the receipt is that of its last event.

        Args:
            events: what to keep.
            is_urgent: whether somebody waits for it, and so for all that was queued before.

        Raises:
            LogBusy: when too many events wait.
            LogClosed: after `close`.
        """
        num_events = events.num_events if isinstance(events, Block) else len(events)
        submission = _Submission(events, num_events, Future())
        with self._wake:
            if self._num_pending + num_events > self._max_pending_events and self._num_pending:
                raise LogBusy(
                    f"log: {self._num_pending} events wait for the disk, the bound is "
                    f"{self._max_pending_events}. Try again in a moment."
                )
            self._put(submission, time.monotonic() + (0.0 if is_urgent else _LINGER_S))
            self._num_pending += num_events
        return submission.future

    def between_commits(self, run: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run a function of the connection in the writer thread, with no commit under way; wait for it."""
        task = _Task(run, Future())
        with self._wake:
            self._put(task, time.monotonic())
        result: Result = task.future.result()
        return result

    def close(self) -> None:
        """Commit what waits, then stop."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()
        self._database.close()

    def _put(self, work: _Submission | _Task, due_s: float) -> None:
        if self._closing:
            raise LogClosed("log: it was closed. Open it again to append.")
        self._queue.append(work)
        if due_s < self._due_s:
            self._due_s = due_s
            self._wake.notify()

    def _work(self) -> None:
        while group := self._take():
            if isinstance(group, _Task):
                self._run(group)
            else:
                # A caller that went away before its turn is passed over: nothing was promised yet.
                self._commit([s for s in group if s.future.set_running_or_notify_cancel()])

    def _take(self) -> list[_Submission] | _Task | None:
        """Wait for work; return a task, or all submissions up to the next task or the bound."""
        with self._wake:
            while not self._closing and (left_s := self._due_s - time.monotonic()) > 0:
                self._wake.wait(None if math.isinf(left_s) else left_s)
            work = self._taken()
            if not self._queue:
                self._due_s = math.inf
            return work

    def _taken(self) -> list[_Submission] | _Task | None:
        group: list[_Submission] = []
        num_events = 0
        while self._queue and num_events < _MAX_GROUP_EVENTS:
            work = self._queue[0]
            if isinstance(work, _Task):
                if group:
                    break
                self._queue.popleft()
                return work
            self._queue.popleft()
            group.append(work)
            num_events += work.num_events
        self._num_pending -= num_events
        return group or None

    def _run(self, task: _Task) -> None:
        try:
            result = task.run(self._database)
        except BaseException as error:
            task.future.set_exception(error)
        else:
            task.future.set_result(result)
        self.last_seq, self.last_log_time_us = tables.end_of_log(self._database)

    def _commit(self, group: Sequence[_Submission]) -> None:
        encoded = [(submission.future, self._encoded(submission)) for submission in group]
        ready = [(future, events) for future, events in encoded if events is not None]
        log_time_us = max(self._clock(), self.last_log_time_us)
        try:
            rows, decoded, receipts = self._place([events for _, events in ready], log_time_us)
            if rows:
                with tables.transaction(self._database):
                    tables.insert_rows(self._database, "tail", rows)
                    ids = [(row.id, row.seq) for row in rows if row.id is not None]
                    tables.insert_rows(self._database, "ids", ids)
        except Exception as error:
            failure = CommitFailed(
                f"log: the events were not kept: {error}. Free the disk, and send them again."
            )
            failure.__cause__ = error
            for future, _ in ready:
                future.set_exception(failure)
            return
        if rows:
            self.num_commits += 1
            self.last_seq, self.last_log_time_us = rows[-1].seq, log_time_us
            self._deliver(rows, decoded)
        for (future, _), receipt in zip(ready, receipts, strict=True):
            future.set_result(receipt)
        self._after_commit(self.last_seq)

    def _encoded(self, submission: _Submission) -> Sequence[Encoded] | None:
        """Return what to write; None of a block that does not fit, whose future says why."""
        block = submission.events
        if not isinstance(block, Block):
            return block
        try:
            body, cells = self._codecs[block.kind].encode_block(block)
        except Exception as error:  # only this block is at fault, and nobody else would say so
            submission.future.set_exception(error)
            return None
        return [Encoded(block.kind, None, None, body, cells, block.num_events)]

    def _place(
        self, submissions: Sequence[Sequence[Encoded]], log_time_us: int
    ) -> tuple[list[TailRow], list[object], list[list[Appended]]]:
        """Give every new event its position, and find that of every duplicate.

        Returns:
            The new rows, what their bodies decode to, and the receipts of each submission.
        """
        ids = [event.id for events in submissions for event in events if event.id is not None]
        seen = tables.seqs_of_ids(self._database, ids)
        seq = self.last_seq
        rows: list[TailRow] = []
        decoded: list[object] = []
        receipts: list[list[Appended]] = []
        for events in submissions:
            receipt: list[Appended] = []
            receipts.append(receipt)
            for kind, event_time_us, id_, body, values, num_events in events:
                if id_ is not None:
                    if id_ in seen:
                        receipt.append(Appended(seen[id_], duplicate=True))
                        continue
                    seen[id_] = seq + 1
                seq += num_events
                happened_us = log_time_us if event_time_us is None else event_time_us
                rows.append(TailRow(seq, log_time_us, kind, happened_us, id_, body, num_events))
                decoded.append(values)
                receipt.append(Appended(seq, duplicate=False))
        return rows, decoded, receipts

    def _deliver(self, rows: Sequence[TailRow], decoded: Sequence[object]) -> None:
        for follower in self._followers:
            follower(rows)
        batch: Batch | None = None
        for callback in self._subscribers:
            try:
                # What another process encoded comes without what it decodes to.
                known = None if None in decoded else decoded
                batch = batch or batch_from_rows(rows, self._codecs, known)
                callback(batch)
            except Exception:
                # The events are durable, whatever a subscriber makes of them: the append succeeded.
                _logger.exception("a subscriber failed on seq %d to %d", rows[0].first_seq, rows[-1].seq)
