"""A worker's end of the channel to its supervisor."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import cast

from prometheus_client import CollectorRegistry

from shortlist.log.frames import Unframer, framed
from shortlist.online.control import (
    FromWorker,
    Gather,
    Gathered,
    Measure,
    Measured,
    Ping,
    Pong,
    ToWorker,
)
from shortlist.online.telemetry import families, text_of

_GATHER_S = 5.0


class Line(asyncio.Protocol):
    """Answers the supervisor from the event loop, which proves that the loop runs.

    Args:
        registry: what this process measures.
        num_ended: how many connections it has served to their end.
        ended: called when the supervisor says stop.
        lost: called when the supervisor has gone.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        num_ended: Callable[[], int],
        ended: Callable[[], None],
        lost: Callable[[], None],
    ) -> None:
        self._registry, self._num_ended = registry, num_ended
        self._ended, self._lost = ended, lost
        self._unframer: Unframer[ToWorker] = Unframer(ToWorker)
        self._gathering: list[asyncio.Future[bytes]] = []

    async def open(self, channel: socket.socket) -> None:
        """Begin; called in the event loop, before anything else."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        channel.setblocking(False)
        await self._loop.create_unix_connection(lambda: self, sock=channel)
        self.say(Pong(0))

    def say(self, message: FromWorker) -> None:
        """Tell the supervisor; any thread may."""
        if threading.get_ident() == self._thread:
            self._transport.write(framed(message))
        else:
            self._loop.call_soon_threadsafe(self._transport.write, framed(message))

    def close(self) -> None:
        """Hang up."""
        self._transport.close()

    async def gather(self) -> bytes:
        """Return the measurements of all workers and of the supervisor, as a text.

        Raises:
            TimeoutError: when the supervisor does not answer.
        """
        gathered: asyncio.Future[bytes] = self._loop.create_future()
        self._gathering.append(gathered)
        self.say(Gather())
        return await asyncio.wait_for(gathered, _GATHER_S)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        for message in self._unframer.feed(data):
            if isinstance(message, Ping):
                self.say(Pong(self._num_ended()))
            elif isinstance(message, Measure):
                self.say(Measured(message.number, families(self._registry)))
            elif isinstance(message, Gathered):
                text = text_of(message.families)
                for gathered in self._gathering:
                    if not gathered.done():
                        gathered.set_result(text)
                self._gathering.clear()
            else:
                self._ended()

    def connection_lost(self, error: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._lost()
