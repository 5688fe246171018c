"""A member's end of the channel to the keeper of a log: appends out, receipts and commits in."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from itertools import count
from queue import SimpleQueue
from typing import NamedTuple

from shortlist.log.blocks import Block
from shortlist.log.bodies import BodyCodec, Encoded, TailRow
from shortlist.log.errors import CommitFailed, LogBusy, LogClosed, LogError
from shortlist.log.frames import (
    Append,
    Folded,
    Follow,
    Following,
    FromKeeper,
    Kept,
    Refused,
    Rows,
    Unframer,
    framed,
)
from shortlist.log.record import Appended

_GIVE_UP_S = 15.0
_CHUNK_BYTES = 1 << 18
_FRAMES_AT_ONCE = 64
_REFUSALS: Mapping[str, type[LogError]] = {
    error.__name__: error for error in (LogBusy, LogClosed, CommitFailed)
}
_logger = logging.getLogger(__name__)


class _Submission(NamedTuple):
    events: Sequence[Encoded] | Block
    num_events: int
    is_urgent: bool
    future: Future[list[Appended]]


class Channel:
    """Two threads: one puts what goes out into frames, nobody waits for it; one takes in what comes.

    Args:
        channel: one end of a pair of connected stream sockets; the keeper has the other.
        codecs: by kind, to encode blocks.
        taken: called with the rows of every commit, in order, after `follow`.
        lost: called when the keeper has gone, except after `close`.
        max_pending_events: how many submitted events may wait for their receipts.
    """

    def __init__(
        self,
        channel: socket.socket,
        codecs: Mapping[str, BodyCodec],
        taken: Callable[[Sequence[TailRow]], None],
        lost: Callable[[], None],
        max_pending_events: int,
    ) -> None:
        self._channel, self._codecs = channel, codecs
        self._taken, self._lost = taken, lost
        self._max_pending_events = max_pending_events
        self._lock = threading.Lock()
        self._numbers = count()
        self._waiting: dict[int, _Submission] = {}
        self._num_pending = 0
        self._is_closed = False
        self.end: tuple[int, int] | None = None
        """The (position, log time) up to which commits have been taken in; None before `follow`."""
        self._following: Future[None] = Future()
        self._outgoing: SimpleQueue[_Submission | Follow | Folded | None] = SimpleQueue()
        self._receiver = threading.Thread(target=self._receive, name="shortlist-log-follower", daemon=True)
        self._sender = threading.Thread(target=self._send, name="shortlist-log-sender", daemon=True)
        self._receiver.start()
        self._sender.start()

    def submit(
        self, events: Sequence[Encoded] | Block, num_events: int, *, is_urgent: bool
    ) -> Future[list[Appended]]:
        """Queue events that are kept or refused together.

        Raises:
            LogBusy: when too many events wait.
            LogClosed: after `close`, and when the keeper has gone.
        """
        submission = _Submission(events, num_events, is_urgent, Future())
        with self._lock:
            if self._is_closed:
                raise LogClosed("log: it was closed, or its keeper has gone. Open it again to append.")
            if self._num_pending + num_events > self._max_pending_events and self._num_pending:
                raise LogBusy(
                    f"log: {self._num_pending} events wait for their receipts, the bound is "
                    f"{self._max_pending_events}. Try again in a moment."
                )
            self._num_pending += num_events
            self._outgoing.put(submission)
        return submission.future

    def follow(self) -> None:
        """Ask for every commit from now on: those after the position that `end` says when it returns.

        Raises:
            LogClosed: when the keeper has gone.
        """
        self._outgoing.put(Follow())
        self._following.result()

    def close(self) -> None:
        """Wait for the receipts of all that was submitted, taking in what comes meanwhile; then hang up."""
        with self._lock:
            self._is_closed = True
        self._outgoing.put(None)
        self._receiver.join(_GIVE_UP_S)
        self._hang_up()
        self._receiver.join()
        self._channel.close()

    def _send(self) -> None:
        is_open = True
        try:
            while is_open:
                outgoing = [self._outgoing.get()]
                while len(outgoing) < _FRAMES_AT_ONCE and not self._outgoing.empty():
                    outgoing.append(self._outgoing.get())
                is_open = None not in outgoing
                self._channel.sendall(b"".join([self._frame(one) for one in outgoing if one is not None]))
            self._channel.shutdown(socket.SHUT_WR)
        except OSError:
            _logger.debug("the keeper of the log takes nothing more")  # whoever receives tells it

    def _frame(self, outgoing: _Submission | Follow | Folded) -> bytes:
        if not isinstance(outgoing, _Submission):
            return framed(outgoing)
        # A caller that went away before its turn is passed over: nothing was promised yet.
        if not outgoing.future.set_running_or_notify_cancel():
            self._settle(outgoing)
            return b""
        events = outgoing.events
        if isinstance(events, Block):
            try:
                body, _ = self._codecs[events.kind].encode_block(events)
            except Exception as error:  # only this block is at fault, and nobody else would say so
                self._settle(outgoing)
                outgoing.future.set_exception(error)
                return b""
            events = [Encoded(events.kind, None, None, body, None, events.num_events)]
        number = next(self._numbers)
        self._waiting[number] = outgoing
        return framed(
            Append(
                number,
                outgoing.is_urgent,
                [(one.kind, one.event_time_us, one.id, one.body, one.num_events) for one in events],
            )
        )

    def _receive(self) -> None:
        unframer: Unframer[FromKeeper] = Unframer(FromKeeper)
        try:
            while data := self._channel.recv(_CHUNK_BYTES):
                rows: list[TailRow] = []
                for message in unframer.feed(data):
                    if isinstance(message, Rows):
                        rows += map(TailRow._make, message.rows)
                    else:
                        self._fold(rows)
                        self._answer(message)
                self._fold(rows)
        except OSError:
            _logger.debug("the keeper of the log broke the channel")
        except Exception:
            _logger.exception("what the keeper of the log sent cannot be taken in")
        with self._lock:
            is_lost, self._is_closed = not self._is_closed, True
        self._hang_up()
        self._outgoing.put(None)
        self._sender.join()
        self._fail_all()
        if is_lost:
            self._lost()

    def _hang_up(self) -> None:
        with suppress(OSError):  # it is not connected any more
            self._channel.shutdown(socket.SHUT_RDWR)

    def _fail_all(self) -> None:
        """Tell everybody who still waits; no other thread is at work any more."""
        gone = LogClosed("log: its keeper went before it answered. Send again what it does not have.")
        if not self._following.done():
            self._following.set_exception(gone)
        unsent = [self._outgoing.get() for _ in range(self._outgoing.qsize())]
        waiting = list(self._waiting.values())
        waiting += [
            one
            for one in unsent
            if isinstance(one, _Submission) and one.future.set_running_or_notify_cancel()
        ]
        for submission in waiting:
            submission.future.set_exception(gone)

    def _fold(self, rows: list[TailRow]) -> None:
        """Take in several commits as one: folding costs much the same for a few rows and for many."""
        if rows:
            self._taken(rows)
            self.end = rows[-1].seq, rows[-1].log_time_us
            self._outgoing.put(Folded(rows[-1].seq))
            rows.clear()

    def _answer(self, message: Following | Kept | Refused) -> None:
        if isinstance(message, Kept):
            for number, receipts in message.receipts:
                submission = self._waiting.pop(number)
                self._settle(submission)
                submission.future.set_result([Appended(seq, duplicate) for seq, duplicate in receipts])
        elif isinstance(message, Refused):
            submission = self._waiting.pop(message.number)
            self._settle(submission)
            submission.future.set_exception(_REFUSALS.get(message.error, LogError)(message.detail))
        else:
            self.end = message.seq, message.log_time_us
            self._following.set_result(None)

    def _settle(self, submission: _Submission) -> None:
        with self._lock:
            self._num_pending -= submission.num_events
