"""Moving the tail into segments, beside the appends and not in their way."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterator
from functools import partial

from shortlist.background import in_background
from shortlist.log import tables
from shortlist.log.bodies import TailRow
from shortlist.log.reader import Reader
from shortlist.log.segments import SegmentFolder
from shortlist.log.tables import Segment
from shortlist.log.writer import Writer

_MAX_SEGMENT_EVENTS = 500_000
_PIECE_EVENTS = 250
"""How many events are taken from the tail at a time: Python's lock is held for about a millisecond."""

_TRIM_EVENTS = 5_000
"""How many leftovers one commit's pause may delete: about 5 ms."""

_logger = logging.getLogger(__name__)


class Sealer:
    """Seals the tail when it passes a bound, and on demand; whoever adds segments holds `lock`."""

    def __init__(self, reader: Reader, writer: Writer, segments: SegmentFolder, after_events: int) -> None:
        self._reader = reader
        self._writer = writer
        self._segments = segments
        self._after_events = after_events
        self._tail_begins_after = reader.end_of_segments()
        self._thread: threading.Thread | None = None
        self._is_closing = False
        self.lock = threading.RLock()

    def seal(self) -> int:
        """Move the events of the tail into segments; return how many."""
        num_sealed = 0
        with self.lock:
            while segment := self._write():
                self._writer.between_commits(partial(_register, segment))
                while self._writer.between_commits(_trim):
                    pass
                num_sealed += segment.last_seq - segment.first_seq + 1
                self._tail_begins_after = segment.last_seq
        return num_sealed

    def seal_last(self, database: sqlite3.Connection) -> None:
        """Seal the few events since the last seal, from inside the writer's thread."""
        if segment := self._segments.write_tail(_all_of_tail(database), self._reader.codecs):
            _register(segment, database)
            while _trim(database):
                pass

    def after_commit(self, last_seq: int) -> None:
        """Seal in the background when the tail has grown past its bound."""
        busy = self._is_closing or (self._thread is not None and self._thread.is_alive())
        if last_seq - self._tail_begins_after > self._after_events and not busy:
            # Whatever becomes of it, the next try comes a tail later.
            self._tail_begins_after = last_seq
            self._thread = threading.Thread(
                target=self._seal_quietly, name="shortlist-log-sealer", daemon=True
            )
            self._thread.start()

    def close(self) -> None:
        """Begin no more in the background, and wait for what is under way there."""
        self._is_closing = True
        if self._thread is not None:
            self._thread.join()

    def _write(self) -> Segment | None:
        pieces = self._reader.tail(_MAX_SEGMENT_EVENTS, _PIECE_EVENTS)
        return self._segments.write_tail(pieces, self._reader.codecs)

    def _seal_quietly(self) -> None:
        try:
            with in_background():
                self.seal()
        except Exception:
            # The events are safe in the tail.
            _logger.exception("sealing the log's tail failed")


def _all_of_tail(database: sqlite3.Connection) -> Iterator[list[TailRow]]:
    if rows := tables.tail(database):
        yield rows


def _register(segment: Segment, database: sqlite3.Connection) -> None:
    with tables.transaction(database):
        tables.add_segment(database, segment)


def _trim(database: sqlite3.Connection) -> int:
    return tables.trim_tail(database, _TRIM_EVENTS)
