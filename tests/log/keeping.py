"""A log that a thread of this process keeps for others."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from log.kinds import KINDS
from shortlist.log import SqliteLog
from shortlist.log.keeper import Keeper, Member


class Kept:
    """The log, its keeper, and the members in the order in which they joined."""

    def __init__(self, log: SqliteLog) -> None:
        self.log = log
        self.members: list[Member] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.keeper = self.run(self._made())

    async def _made(self) -> Keeper:
        return Keeper(self.log)

    def run(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def join(self) -> socket.socket:
        """Return a channel to the keeper."""
        ours, theirs = socket.socketpair()
        self.members.append(self.run(self.keeper.welcome(theirs)))
        return ours

    def close(self) -> None:
        for member in self.members:
            self._loop.call_soon_threadsafe(member.close)
        self.run(asyncio.sleep(0))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@contextmanager
def keeping(folder: Path) -> Iterator[Kept]:
    with SqliteLog(folder, KINDS) as log:
        kept = Kept(log)
        try:
            yield kept
        finally:
            log.close()
            kept.close()
