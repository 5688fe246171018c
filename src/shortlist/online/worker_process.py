"""A worker as its supervisor sees it: a process, and three channels to it that end with it."""

from __future__ import annotations

import asyncio
import math
import os
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import chain
from typing import cast

import msgspec

from shortlist.log.frames import Unframer, framed
from shortlist.log.keeper import Keeper
from shortlist.online.control import FromWorker, Ping, Place, Pong, Ready, Stop, ToWorker
from shortlist.online.process import ONE_THREAD

_RUNS_WITHIN_S = 60.0
_EXIT_S = 5.0


class WorkerProcess(asyncio.Protocol):
    """One worker; `start` makes it, and it is done when `gone` was called.

    Args:
        number: its place.
        heard: called with every message, when what it says is noted here.
        gone: called once, when its control channel has ended.
    """

    def __init__(
        self,
        number: int,
        heard: Callable[[WorkerProcess, FromWorker], None],
        gone: Callable[[WorkerProcess], None],
    ) -> None:
        self.number = number
        self._heard, self._gone = heard, gone
        self._unframer: Unframer[FromWorker] = Unframer(FromWorker)
        self._asked_s = math.inf
        self._started_s = time.monotonic()
        self._lost = asyncio.Event()
        self._num_handed = self._num_ended = 0
        self.runs = False
        """Whether its event loop runs: it takes connections, and may have nothing yet to answer with."""
        self.is_ready = False
        self.reasons: list[str] = []

    async def start(self, command: Sequence[str], keeper: Keeper, *, loopback_only: bool) -> None:
        """Start the process.

        Args:
            command: what to run; the worker's `Place` is added as the last argument.
            keeper: of the log.
            loopback_only: whether the server listens on this machine only.

        Raises:
            OSError: when the machine has no process or no descriptor to give; nothing is left then.
        """
        with ExitStack() as undo:
            pairs = [socket.socketpair() for _ in range(3)]
            for end in chain.from_iterable(pairs):
                undo.callback(end.close)
            (log, its_log), (control, its_control), (self._door, its_door) = pairs
            self._process = self._spawned(command, [its_log, its_control, its_door], loopback_only)
            undo.pop_all()
        for its in (its_log, its_control, its_door):
            its.close()
        self._door.setblocking(False)
        control.setblocking(False)
        self._member = await keeper.welcome(log)
        await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=control)

    def _spawned(
        self, command: Sequence[str], theirs: Sequence[socket.socket], loopback_only: bool
    ) -> subprocess.Popen[bytes]:
        its_log, its_control, its_door = theirs
        place = Place(self.number, its_log.fileno(), its_control.fileno(), its_door.fileno(), loopback_only)
        # A group of its own: Ctrl-C is for the supervisor, which ends its workers in order.
        return subprocess.Popen(
            [*command, msgspec.json.encode(place).decode()],
            pass_fds=[one.fileno() for one in theirs],
            process_group=0,
            env={**ONE_THREAD, **os.environ},
        )

    @property
    def num_connections(self) -> int:
        """How many connections it has, those that are on their way to it included."""
        return self._num_handed - self._num_ended

    @property
    def age_s(self) -> float:
        """How long ago it was started."""
        return time.monotonic() - self._started_s

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def hand(self, connection: socket.socket) -> None:
        """Give it a connection to serve; the caller closes its own end.

        Raises:
            OSError: when it takes none now.
        """
        socket.send_fds(self._door, [b"c"], [connection.fileno()])
        self._num_handed += 1

    def say(self, message: ToWorker) -> None:
        """Send it a message, if it is still there."""
        if not self._lost.is_set():
            self._transport.write(framed(message))

    def is_stuck(self, patience_s: float) -> bool:
        """Tell whether it has owed an answer for longer than that; ask again if it owes none."""
        if not self.runs:
            return time.monotonic() - self._started_s > _RUNS_WITHIN_S
        if math.isinf(self._asked_s):
            self._asked_s = time.monotonic()
            self.say(Ping())
        return max(self._member.owes_s, time.monotonic() - self._asked_s) > patience_s

    def stop(self) -> None:
        """Ask it to end in order."""
        self.say(Stop())

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._member.close()

    async def ended(self) -> int:
        """Wait until it hangs up and its process ends; make that end if it does not. Return its status."""
        await self._lost.wait()
        try:
            return await asyncio.to_thread(self._process.wait, _EXIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return await asyncio.to_thread(self._process.wait)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        for message in self._unframer.feed(data):
            if isinstance(message, Pong):
                self.runs, self._asked_s = True, math.inf
                self._num_ended = message.num_ended
            elif isinstance(message, Ready):
                self.is_ready, self.reasons = True, message.reasons
            self._heard(self, message)

    def connection_lost(self, error: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self.runs = self.is_ready = False
        self._lost.set()
        self._door.close()
        self._member.close()
        self._gone(self)
