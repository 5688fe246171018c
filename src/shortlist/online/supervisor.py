"""Several processes serve one port: this one keeps the log, hands out connections, replaces who fails."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import uvloop

from shortlist.declare.app import App
from shortlist.features.schema import log_schemas
from shortlist.log.keeper import Keeper
from shortlist.log.sqlite import SqliteLog
from shortlist.online.control import Failed, FromWorker, Gather, Measured, Pong, Ready, Told
from shortlist.online.gathering import Gatherings
from shortlist.online.hosts import is_loopback
from shortlist.online.server import BACKLOG, DRAIN_S, bind, url_of
from shortlist.online.worker_process import WorkerProcess

PATIENCE_S = 5.0
"""A worker that owes an answer for longer than this is taken for dead, and replaced."""

_LOOK_S = 0.25
_STOP_S = 2.5 * DRAIN_S
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 30.0
_SOUND_S = 60.0  # a worker that lived this long was sound: its end is not the next one's
_logger = logging.getLogger(__name__)


class WorkersFailed(RuntimeError):
    """No worker could start."""


class Supervisor:
    """Serves one product from one data folder with several processes.

    It listens at once, as `Server` does. Every connection is handed to the worker with the fewest, so that
    connections that are kept alive are spread evenly, and one that dies takes no waiting ones with it.

    Args:
        app: the declaration.
        data: the folder that holds log/, state/ and releases/.
        command: what starts a worker; it ends in `worker.work`, with the argument that is added.
        num_workers: how many; one or more.
        host: the address to listen on; nothing beyond this machine unless it is given.
        port: 0 for any free one.
        ready: called once, with the address, when every worker is ready.
        progress: called with (records folded, records in all) while the first worker reads the log.
    """

    def __init__(
        self,
        app: App,
        data: Path,
        command: Sequence[str],
        num_workers: int,
        host: str = "127.0.0.1",
        port: int = 8000,
        *,
        ready: Callable[[str], None] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self._app, self._data, self._command, self._num_workers = app, data, command, num_workers
        self._ready, self._progress = ready, progress
        self._socket = bind(host, port)
        self._socket.setblocking(False)
        self.url = url_of(self._socket)
        self._workers: dict[int, WorkerProcess] = {}
        self._num_failures: Counter[int] = Counter()  # of each place, since a worker was sound there
        self._was_ready = self._was_told = False
        self._unhanded: socket.socket | None = None
        self._failure: str | None = None
        self._gatherings = Gatherings()
        self._chores: set[asyncio.Task[None]] = set()

    @property
    def pids(self) -> list[int]:
        """The numbers of the workers' processes, in the order of their places."""
        return [self._workers[number].pid for number in sorted(self._workers)]

    def reasons(self) -> list[str]:
        """Say what keeps the workers from answering requests; nothing when all is well."""
        return sorted({reason for worker in self._workers.values() for reason in worker.reasons})

    def run(self) -> None:
        """Serve until a signal or `stop`; then end the workers in order, and close the log.

        Raises:
            LogError: when the log cannot be opened, because another process has it.
            WorkersFailed: when no worker could start.
        """
        try:
            uvloop.run(self._serve())
        finally:
            self._socket.close()
        if self._failure is not None:
            raise WorkersFailed(self._failure)

    def stop(self) -> None:
        """Make `run` return, from any thread."""
        self._loop.call_soon_threadsafe(self._stopping.set)

    async def _serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._loop.add_signal_handler(number, self._stopping.set)
        with SqliteLog(self._data / "log", log_schemas(self._app)) as log:
            self._keeper = Keeper(log)
            self._socket.listen(BACKLOG)
            await asyncio.gather(*(self._start(number) for number in range(self._num_workers)))
            while not self._stopping.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), _LOOK_S)
                self._look_after()
            await self._end()

    async def _start(self, number: int) -> None:
        worker = WorkerProcess(number, self._heard, self._gone)
        host = self._socket.getsockname()[0]
        await worker.start(self._command, self._keeper, loopback_only=is_loopback(host))
        self._workers[number] = worker

    def _look_after(self) -> None:
        for worker in list(self._workers.values()):
            if worker.is_stuck(PATIENCE_S):
                _logger.error("worker %d hangs; it is replaced", worker.number)
                worker.kill()

    def _heard(self, worker: WorkerProcess, message: FromWorker) -> None:
        if isinstance(message, Pong):
            if not self._stopping.is_set():
                self._loop.add_reader(self._socket, self._accept)
                if self._unhanded is not None:
                    self._accept()
        elif isinstance(message, Ready):
            self._was_ready = True
            are_ready = [one.is_ready for one in self._workers.values()]
            if self._ready is not None and not self._was_told and are_ready == [True] * self._num_workers:
                self._was_told = True
                self._ready(self.url)
        elif isinstance(message, Told):
            if self._progress is not None and not self._was_ready:
                self._progress(message.done, message.total)
        elif isinstance(message, Failed):
            _logger.error("worker %d cannot start: %s", worker.number, message.detail)
            self._give_up(message.detail)
        elif isinstance(message, Gather):
            self._gatherings.begin(worker, [one for one in self._workers.values() if one.runs])
        elif isinstance(message, Measured):
            self._gatherings.add(worker, message)

    def _accept(self) -> None:
        """Take the connections that wait, and hand each to the worker that has the fewest.

        When no worker takes any more for now, one is kept and the others wait where they are.
        """
        with suppress(BlockingIOError):
            while takers := self._takers():
                connection = self._unhanded or self._socket.accept()[0]
                self._unhanded = None if _handed(connection, takers) else connection
                if self._unhanded is not None:
                    break
                connection.close()
            self._loop.remove_reader(self._socket)

    def _takers(self) -> list[WorkerProcess]:
        """Return who takes connections: those that are ready, or else those that can say what is missing."""
        running = [worker for worker in self._workers.values() if worker.runs]
        return [worker for worker in running if worker.is_ready] or running

    def _gone(self, worker: WorkerProcess) -> None:
        if not self._stopping.is_set():
            chore = self._loop.create_task(self._replace(worker))
            self._chores.add(chore)
            chore.add_done_callback(self._chores.discard)

    async def _replace(self, worker: WorkerProcess) -> None:
        status = await worker.ended()
        number = worker.number
        del self._workers[number]
        if not self._was_ready:
            self._give_up(f"worker {number} ended with status {status} before it was ready")
        self._gatherings.restarts.inc()
        if worker.age_s > _SOUND_S:
            self._num_failures[number] = 0
        _logger.error("worker %d has ended; another takes its place", number)
        while not self._stopping.is_set() and number not in self._workers:
            pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** self._num_failures[number])
            self._num_failures[number] += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause_s)
            if not self._stopping.is_set():
                try:
                    await self._start(number)
                except OSError as error:
                    _logger.error("worker %d cannot be started: %s; it is tried again", number, error)

    def _give_up(self, detail: str) -> None:
        """End, unless a worker was ready: then what keeps another from it may pass."""
        if not self._was_ready and self._failure is None:
            self._failure = detail
            self._stopping.set()

    async def _end(self) -> None:
        """End the workers: the first one last, so that its snapshot has what the others logged."""
        self._loop.remove_reader(self._socket)
        self._socket.close()
        if self._unhanded is not None:
            self._unhanded.close()
        await asyncio.gather(*self._chores)
        workers = [self._workers[number] for number in sorted(self._workers)]
        for group in (workers[1:], workers[:1]):
            for worker in group:
                worker.stop()
            endings = [asyncio.ensure_future(worker.ended()) for worker in group]
            if endings:
                await asyncio.wait(endings, timeout=_STOP_S)
            for worker in group:
                worker.kill()
            await asyncio.gather(*endings)


def _handed(connection: socket.socket, takers: Sequence[WorkerProcess]) -> bool:
    """Hand a connection to the first that takes it, the one with the fewest first; tell whether one did."""
    for worker in sorted(takers, key=lambda one: one.num_connections):
        with suppress(OSError):
            worker.hand(connection)
            return True
    return False
