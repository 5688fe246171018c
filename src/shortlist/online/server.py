"""The process: a socket at once, the data behind it as soon as it is ready, an orderly end."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import uvicorn

from shortlist.declare.app import App
from shortlist.online.application import Pages, build_app
from shortlist.online.hosts import is_loopback
from shortlist.online.router import Router
from shortlist.online.service import Cancelled, Service

DRAIN_S = 10
BACKLOG = 1024
KEEP_ALIVE_S = 75
"""Longer than the 60 s for which load balancers keep idle connections: who sends must be who closes, or a
request may meet a connection that is being closed."""


class Server:
    """Serves one product from one data folder.

    It listens at once: until the log is read and the release is loaded, /healthz says alive, /readyz
    says what is missing, and everything else answers 503.

    Args:
        app: the declaration.
        data: the folder that holds log/, state/ and releases/.
        host: the address to listen on; nothing beyond this machine unless it is given.
        port: 0 for any free one.
        pages: further pages, by path.
        ready: called once, with the address, when requests can be answered.
        progress: called with (records folded, records in all) while the log is read.
    """

    def __init__(
        self,
        app: App,
        data: Path,
        host: str = "127.0.0.1",
        port: int = 8000,
        *,
        pages: Pages | None = None,
        ready: Callable[[str], None] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.service = Service(app, data)
        self._ready, self._progress = ready, progress
        self._failure: BaseException | None = None
        self._socket = bind(host, port)
        bound_host = self._socket.getsockname()[0]
        config = configure(build_app(app, self.service, pages, loopback_only=is_loopback(bound_host)))
        self.url = url_of(self._socket)
        self._uvicorn = _Uvicorn(config, self._open, self.service)

    def reasons(self) -> list[str]:
        """Say what keeps requests from being answered; nothing when all is well."""
        return self.service.reasons()

    def run(self) -> None:
        """Serve until a signal or `stop`; finish what is under way, snapshot the state, close the log.

        Raises:
            LogError: when the log cannot be opened, because another process has it.
        """
        try:
            self._uvicorn.run(sockets=[self._socket])
        finally:
            self._socket.close()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Make `run` return, from any thread."""
        self._uvicorn.should_exit = True

    def _open(self) -> None:
        try:
            self.service.open(self._progress)
            if self._ready is not None:
                self._ready(self.url)
        except Cancelled:
            return
        except BaseException as error:
            self._failure = error
            self.stop()


class _Uvicorn(uvicorn.Server):
    """Opens the data beside the running server, and closes it when the last request is answered."""

    def __init__(self, config: uvicorn.Config, opening: Callable[[], None], service: Service) -> None:
        super().__init__(config)
        self._service = service
        self._opener = threading.Thread(target=opening, name="shortlist-open", daemon=True)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._opener.start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        # Here, and not after run(): uvicorn raises the signal again when it returns.
        self._service.cancel()
        await asyncio.to_thread(self._opener.join)
        await asyncio.to_thread(self._service.close)


def serve(
    app: App,
    data: Path,
    host: str = "127.0.0.1",
    port: int = 8000,
    ready: Callable[[str], None] | None = None,
    *,
    pages: Pages | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Serve a product until a signal comes; see `Server`."""
    Server(app, data, host, port, pages=pages, ready=ready, progress=progress).run()


def configure(application: Router) -> uvicorn.Config:
    """Return how uvicorn serves the application."""
    return uvicorn.Config(
        application, loop="auto", http="httptools", ws="none", lifespan="off", log_config=None,
        access_log=False, server_header=False, timeout_graceful_shutdown=DRAIN_S, backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
    )  # fmt: skip


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to an address, and does not listen yet.

    Raises:
        OSError: when the address is taken or is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


def url_of(bound: socket.socket) -> str:
    """Return the address of a bound socket as a URL."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
