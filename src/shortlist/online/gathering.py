"""The measurements of all processes that serve, for the one of them that was asked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.process_collector import ProcessCollector

from shortlist.online.control import Gathered, Measure, Measured
from shortlist.online.telemetry import Family, families
from shortlist.online.worker_process import WorkerProcess

_WITHIN_S = 1.0


@dataclass
class _Gathering:
    """Who asked, of whom the answer is awaited, and what has come."""

    asker: WorkerProcess
    awaited: set[int]
    parts: dict[str, list[Family]] = field(default_factory=dict)


class Gatherings:
    """Asks every worker for its measurements; used by the supervisor's event loop.

    One that does not answer soon is left out: whoever looks at the others wants to see why.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self.restarts = Counter(
            "shortlist_worker_restarts", "Workers that were started again.", registry=self._registry
        )
        self._under_way: dict[int, _Gathering] = {}
        self._next = 0

    def begin(self, asker: WorkerProcess, workers: Sequence[WorkerProcess]) -> None:
        """Ask the workers, and tell the asker."""
        number, self._next = self._next, self._next + 1
        gathering = _Gathering(asker, {worker.number for worker in workers})
        gathering.parts["keeper"] = families(self._registry)
        self._under_way[number] = gathering
        for worker in workers:
            worker.say(Measure(number))
        asyncio.get_running_loop().call_later(_WITHIN_S, self._end, number)

    def add(self, worker: WorkerProcess, measured: Measured) -> None:
        """Take what a worker measured."""
        gathering = self._under_way.get(measured.number)
        if gathering is not None:
            gathering.parts[str(worker.number)] = measured.families
            gathering.awaited.discard(worker.number)
            if not gathering.awaited:
                self._end(measured.number)

    def _end(self, number: int) -> None:
        gathering = self._under_way.pop(number, None)
        if gathering is not None and gathering.asker.runs:
            gathering.asker.say(Gathered(gathering.parts))
