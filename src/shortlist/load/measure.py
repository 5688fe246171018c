"""One run: a schedule driven, the server looked at before and after, all of it written down."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from shortlist.load.arrivals import Process, schedule
from shortlist.load.connection import Address
from shortlist.load.drive import drive
from shortlist.load.report import Fate, Run, Second, ServerCost, Spread
from shortlist.load.requests import Requests
from shortlist.load.scrape import Scrape, scrape
from shortlist.load.tally import Tally

Tell = Callable[[float, Tally], None]
_SETTLE_S = 0.3
"""The log's last commits, which no client waits for, end in this time."""


@dataclass(frozen=True)
class Load:
    """How to drive, whatever the rate.

    Args:
        duration_s: how long, after the warm-up.
        warm_up_s: how long before anything is counted.
        process: how requests arrive.
        events_per_request: events beside each request.
        timeout_s: when to give a request up.
        num_connections: how many requests may be under way at once.
        seed: of the arrivals of the first run; each further run adds two, one for its events.
    """

    duration_s: float = 30.0
    warm_up_s: float = 3.0
    process: Process = "poisson"
    events_per_request: float = 0.0
    timeout_s: float = 2.0
    num_connections: int = 256
    seed: int = 0


class Measure:
    """Runs a load at one rate after another against one server.

    Args:
        address: of the server.
        requests: what is asked; it goes on from run to run, so that strangers stay strangers.
        load: how to drive.
        slo_p99_ms: the surface's budget, which makes an answer good.
        tell: called once a second of each run.
    """

    def __init__(
        self,
        address: Address,
        requests: Requests,
        load: Load,
        slo_p99_ms: float,
        tell: Tell | None = None,
    ) -> None:
        self._address, self._requests, self._load = address, requests, load
        self._slo_p99_ms, self._tell = slo_p99_ms, tell
        self.runs: list[Run] = []

    def __call__(self, rate_rps: float) -> Run:
        """Drive at a rate.

        Raises:
            ServerGone: when the server does not answer before or after.
        """
        load = self._load
        due = schedule(
            rate_rps,
            load.events_per_request,
            load.warm_up_s + load.duration_s,
            load.process,
            load.seed + 2 * len(self.runs),
        )
        before = scrape(self._address)
        outcome = drive(
            self._address,
            due,
            self._requests,
            warm_up_s=load.warm_up_s,
            timeout_s=load.timeout_s,
            num_connections=load.num_connections,
            tell=self._tell,
        )
        time.sleep(_SETTLE_S)
        after = scrape(self._address)
        answered = outcome.requests.answered
        elapsed_s = max(load.duration_s, outcome.elapsed_s)
        run = Run(
            rate_rps=rate_rps,
            duration_s=load.duration_s,
            warm_up_s=load.warm_up_s,
            arrivals=load.process,
            events_per_request=load.events_per_request,
            achieved_rps=answered.num / elapsed_s,
            goodput_rps=answered.num_within(self._slo_p99_ms) / elapsed_s,
            requests=Fate.of(outcome.requests),
            events=Fate.of(outcome.events),
            lateness=Spread.of(outcome.lateness),
            generator_cpu_s=outcome.cpu_s,
            num_waited=outcome.num_waited,
            seconds=[Second.of(tally) for tally in outcome.seconds],
            server=_cost(before, after, outcome.num_sent, outcome.num_events_sent),
        )
        self.runs.append(run)
        return run


def _cost(before: Scrape, after: Scrape, num_requests: int, num_events: int) -> ServerCost:
    cpu_s = None if after.cpu_s is None or before.cpu_s is None else after.cpu_s - before.cpu_s
    is_counted = after.last_seq is not None and before.last_seq is not None
    return ServerCost(
        cpu_s=cpu_s,
        num_requests=num_requests,
        num_events=num_events,
        num_logged=after.last_seq - before.last_seq if is_counted else None,  # type: ignore[operator]
        resident_bytes=after.resident_bytes,
        state_bytes=after.state_bytes,
    )
