"""The one writer thread: concurrent appends share one transaction, one fsync.

While a commit waits for the disk, the submissions behind it gather; the next commit takes them all,
up to a bound. So a lone producer gets the disk's latency, and many get its bandwidth. What nobody waits
for gathers a little longer: a commit and what follows it cost much the same for one slate and for ten.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import TypeVar

from shortlist.log import tables
from shortlist.log.blocks import Block
from shortlist.log.bodies import BodyCodec, Encoded, TailRow, batch_from_rows
from shortlist.log.columns import Batch
from shortlist.log.errors import CommitFailed
from shortlist.log.record import Appended
from shortlist.log.submissions import Submission, Submissions, Task

_logger = logging.getLogger(__name__)
Result = TypeVar("Result")


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
        self._submissions = Submissions(max_pending_events)
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
        """See `Submissions.submit`."""
        return self._submissions.submit(events, is_urgent=is_urgent)

    def between_commits(self, run: Callable[[sqlite3.Connection], Result]) -> Result:
        """Run a function of the connection in the writer thread, with no commit under way; wait for it."""
        task = Task(run, Future())
        self._submissions.add(task)
        result: Result = task.future.result()
        return result

    def close(self) -> None:
        """Commit what waits, then stop."""
        self._submissions.close()
        self._thread.join()
        self._database.close()

    def _work(self) -> None:
        while group := self._submissions.take():
            if isinstance(group, Task):
                self._run(group)
            else:
                # A caller that went away before its turn is passed over: nothing was promised yet.
                self._commit([s for s in group if s.future.set_running_or_notify_cancel()])

    def _run(self, task: Task) -> None:
        try:
            try:
                result = task.run(self._database)
            finally:  # before whoever waits goes on, and asks where the log ends
                self.last_seq, self.last_log_time_us = tables.end_of_log(self._database)
        except BaseException as error:
            task.future.set_exception(error)
        else:
            task.future.set_result(result)

    def _commit(self, group: Sequence[Submission]) -> None:
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

    def _encoded(self, submission: Submission) -> Sequence[Encoded] | None:
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
