"""One worker of several: it serves the connections it is handed, from a log that its supervisor keeps."""

from __future__ import annotations

import asyncio
import faulthandler
import socket
import threading
from contextlib import suppress
from pathlib import Path

import msgspec
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from shortlist.declare.app import App
from shortlist.online.application import Pages, build_app
from shortlist.online.control import Failed, Place, Ready, Told
from shortlist.online.line import Line
from shortlist.online.process import return_large_blocks
from shortlist.online.server import DRAIN_S, configure
from shortlist.online.service import Cancelled, Service
from shortlist.online.shared import Shared

_LEFT_ALONE_S = 2 * DRAIN_S


def work(app: App, data: Path, place: str, pages: Pages | None = None) -> None:
    """Be a worker, until the supervisor says stop or has gone.

    Args:
        app: the declaration, that of the supervisor.
        data: the folder that holds log/, state/ and releases/.
        place: the last argument of the command line that the supervisor started.
        pages: further pages, by path.
    """
    return_large_blocks()
    _Worker(app, data, msgspec.json.decode(place, type=Place), pages).run(sockets=[])


class _Worker(uvicorn.Server):
    """A server without a listening socket: the supervisor accepts, and hands the connections out."""

    def __init__(self, app: App, data: Path, place: Place, pages: Pages | None) -> None:
        self._place = place
        channel = socket.socket(fileno=place.log_fd)
        opening = Shared(app, data, channel, self._left_alone, saves=place.number == 0)
        self._service = Service(app, data, opening, self._gather)
        application = build_app(app, self._service, pages, loopback_only=place.loopback_only)
        super().__init__(configure(application))
        self._line = Line(
            self._service.telemetry.registry,
            lambda: self._num_taken - len(self._arrivals) - len(self.server_state.connections),
            self._stop,
            self._left_alone,
        )
        self._door = socket.socket(fileno=place.door_fd)
        self._door.setblocking(False)
        self._arrivals: set[asyncio.Task[None]] = set()
        self._num_taken = 0
        self._opener = threading.Thread(target=self._open, name="shortlist-open", daemon=True)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        await self._line.open(socket.socket(fileno=self._place.control_fd))
        asyncio.get_running_loop().add_reader(self._door, self._let_in)
        self._opener.start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._let_in()
        asyncio.get_running_loop().remove_reader(self._door)
        self._door.close()
        await asyncio.gather(*self._arrivals)
        await super().shutdown(sockets)
        self._service.cancel()
        await asyncio.to_thread(self._opener.join)
        await asyncio.to_thread(self._service.close)
        self._line.close()

    def _stop(self) -> None:
        self.should_exit = True

    def _left_alone(self) -> None:
        """End: nothing can be logged any more. Whatever hangs must not keep this process alive."""
        # In an orderly end too: whoever would have made it end may be gone by then.
        faulthandler.dump_traceback_later(_LEFT_ALONE_S, exit=True)
        self.should_exit = True

    def _let_in(self) -> None:
        loop = asyncio.get_running_loop()
        with suppress(BlockingIOError):
            # Byte by byte: a descriptor comes with its byte.
            while (received := socket.recv_fds(self._door, 1, 1))[0]:
                for descriptor in received[1]:
                    arrival = loop.create_task(self._serve_one(socket.socket(fileno=descriptor)))
                    self._num_taken += 1
                    self._arrivals.add(arrival)
                    arrival.add_done_callback(self._arrivals.discard)
            loop.remove_reader(self._door)

    async def _serve_one(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        with suppress(OSError):  # it has gone already
            await asyncio.get_running_loop().connect_accepted_socket(self._protocol, connection)

    def _protocol(self) -> asyncio.Protocol:
        return HttpToolsProtocol(self.config, self.server_state, self.lifespan.state)

    async def _gather(self) -> bytes:
        return await self._line.gather()

    def _open(self) -> None:
        try:
            self._service.open(self._tell if self._place.number == 0 else None)
        except Cancelled:
            return
        except BaseException as error:
            self._line.say(Failed(str(error)))
            self._stop()
            raise
        self._line.say(Ready(self._service.reasons()))

    def _tell(self, done: int, total: int) -> None:
        self._line.say(Told(done, total))
