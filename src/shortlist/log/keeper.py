"""One log, kept by one process for several: it writes, and each of them follows what was written.

A member appends through its channel, and gets every commit through it, in order. An append is answered
when every member that follows has taken it in: whichever is asked next knows of it.
"""

from __future__ import annotations

import asyncio
import math
import socket
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from typing import NamedTuple, cast

from shortlist.log.bodies import Encoded, TailRow
from shortlist.log.errors import LogError
from shortlist.log.frames import (
    Append,
    Folded,
    Follow,
    Following,
    Kept,
    Refused,
    Rows,
    ToKeeper,
    Unframer,
    framed,
)
from shortlist.log.record import Appended
from shortlist.log.sqlite import SqliteLog


class _Answer(NamedTuple):
    """An append that is on the disk, and is answered when all have taken it in."""

    seq: int
    member: Member
    number: int
    receipts: list[Appended]


class Keeper:
    """Shares a log; used by the thread of one event loop, in which it is made.

    Args:
        log: open for writing; the keeper does not close it.
    """

    def __init__(self, log: SqliteLog) -> None:
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._members: set[Member] = set()
        self._answers: deque[_Answer] = deque()
        self._sent_seq, self._sent_log_time_us = log.last_seq, log.last_log_time_us
        log.follow(self._committed)

    async def welcome(self, channel: socket.socket) -> Member:
        """Serve a member.

        Args:
            channel: one end of a pair of connected stream sockets; a `RemoteLog` has the other.
        """
        channel.setblocking(False)
        _, member = await self._loop.create_unix_connection(lambda: Member(self), sock=channel)
        return member

    def _committed(self, rows: Sequence[TailRow]) -> None:
        """Send a commit to all; called by the log's writer."""
        # It is put into bytes here, once for all members.
        frame = framed(Rows(rows))  # type: ignore[arg-type]
        self._loop.call_soon_threadsafe(self._broadcast, rows[-1].seq, rows[-1].log_time_us, frame)

    def _broadcast(self, seq: int, log_time_us: int, frame: bytes) -> None:
        self._sent_seq, self._sent_log_time_us = seq, log_time_us
        for member in self._members:
            member.send_rows(seq, frame)

    def _joined(self, member: Member) -> Following:
        self._members.add(member)
        return Following(self._sent_seq, self._sent_log_time_us)

    def _gone(self, member: Member) -> None:
        self._members.discard(member)
        self._answer()

    def _append(self, member: Member, append: Append) -> None:
        events = [
            Encoded(kind, event_time_us, id_, body, None, num_events)
            for kind, event_time_us, id_, body, num_events in append.events
        ]
        try:
            future = self._log.submit_encoded(events, is_urgent=append.is_urgent)
        except LogError as error:
            member.refuse(append.number, error)
            return
        future.add_done_callback(
            lambda done: self._loop.call_soon_threadsafe(self._written, member, append.number, done)
        )

    def _written(self, member: Member, number: int, future: Future[list[Appended]]) -> None:
        error = future.exception()
        if error is not None:
            member.refuse(number, error)
            return
        receipts = future.result()
        self._answers.append(_Answer(max((one.seq for one in receipts), default=0), member, number, receipts))
        self._answer()

    def _answer(self) -> None:
        """Answer the appends, in their order, that every member has taken in."""
        folded_seq = min((member.folded_seq for member in self._members), default=math.inf)
        ripe: dict[Member, list[tuple[int, list[tuple[int, bool]]]]] = {}
        while self._answers and self._answers[0].seq <= folded_seq:
            answer = self._answers.popleft()
            receipts = [(one.seq, one.duplicate) for one in answer.receipts]
            ripe.setdefault(answer.member, []).append((answer.number, receipts))
        for member, of_member in ripe.items():
            member.answer(of_member)


class Member(asyncio.Protocol):
    """The keeper's end of a channel."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._unframer: Unframer[ToKeeper] = Unframer(ToKeeper)
        self._sent_seq = 0
        self._owing_since_s = math.inf
        self._num_open = 0
        self._is_leaving = False
        self.folded_seq = 0

    @property
    def owes_s(self) -> float:
        """For how long it has taken in nothing of what it was sent; 0 when it has taken in all."""
        return max(0.0, time.monotonic() - self._owing_since_s)

    def close(self) -> None:
        """Break with it."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        for message in self._unframer.feed(data):
            if isinstance(message, Append):
                self._num_open += 1
                self._keeper._append(self, message)
            elif isinstance(message, Folded):
                self._fold(message.seq)
            elif isinstance(message, Follow):
                following = self._keeper._joined(self)
                self.folded_seq = self._sent_seq = following.seq
                self._send(framed(following))

    def eof_received(self) -> bool:
        """See `asyncio.Protocol`: it appends no more; it leaves when it has all its receipts."""
        self._is_leaving = True
        self._leave_when_done()
        return True

    def connection_lost(self, error: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._keeper._gone(self)

    def send_rows(self, seq: int, frame: bytes) -> None:
        """Send a commit that ends at a position."""
        if self._sent_seq == self.folded_seq:
            self._owing_since_s = time.monotonic()
        self._sent_seq = seq
        self._send(frame)

    def answer(self, receipts: list[tuple[int, list[tuple[int, bool]]]]) -> None:
        """Answer some of its appends."""
        self._num_open -= len(receipts)
        self._send(framed(Kept(receipts)))
        self._leave_when_done()

    def refuse(self, number: int, error: BaseException) -> None:
        """Say that an append was not kept."""
        self._num_open -= 1
        self._send(framed(Refused(number, type(error).__name__, str(error))))
        self._leave_when_done()

    def _fold(self, seq: int) -> None:
        self.folded_seq = seq
        self._owing_since_s = math.inf if seq == self._sent_seq else time.monotonic()
        self._keeper._answer()

    def _send(self, frame: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(frame)

    def _leave_when_done(self) -> None:
        if self._is_leaving and not self._num_open:
            self._transport.close()
