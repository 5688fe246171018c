"""Load on a server from outside: an open schedule, the server's CPU beside it, and the highest rate it bears.

The generator is `shortlist load`'s own, in this process; it shares the machine's cores with the server.
"""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.error import HTTPError

import numpy as np

from serving.app import NUM_PROPOSED, SURFACE
from serving.catalogue import Catalogue
from serving.hosting import Hosted
from shortlist.load.arrivals import Schedule, schedule
from shortlist.load.connection import Address
from shortlist.load.drive import Outcome, drive
from shortlist.load.requests import Requests, ShortlistRequests, Who
from shortlist.load.search import highest_rate as search
from shortlist.load.tally import Tally
from shortlist.pipeline.funnel import DEFAULT_WIDTH

NUM_CONNECTIONS = 256
TIMEOUT_S = 2.0
WARM_UP_S = 2.0
_NUM_USERS = 5000
_SEARCH_S = 5.0
_TOLERANCE = 0.1
_LEAST_RPS = 4.0
_MAY_FAIL = 0.001
_MAY_DEGRADE = 0.01


@dataclass(frozen=True)
class Driven:
    """What a drive gave.

    Attributes:
        rate: requests a second that were due.
        outcome: what came back.
        cpu_ms: CPU milliseconds of the server for each request that it got.
        width: how many candidates our server let pass at the end, for it narrows its funnels under pressure.
    """

    rate: float
    outcome: Outcome
    cpu_ms: float
    width: float

    @property
    def tally(self) -> Tally:
        """The fate of the requests."""
        return self.outcome.requests

    def meets(self, p99_ms: float) -> bool:
        """Tell whether 99 of 100 requests were answered in time, nearly all at all, and whole."""
        tally = self.tally
        is_whole = tally.share_failed() <= _MAY_FAIL and tally.share_degraded() <= _MAY_DEGRADE
        return is_whole and tally.quantile(0.99) <= p99_ms

    @property
    def is_wide(self) -> bool:
        """Whether every candidate that the sources propose was ranked."""
        return self.width >= NUM_PROPOSED

    @property
    def late_ms(self) -> float:
        """How late the generator itself was, at its p99: that much of a latency may be its own."""
        return self.outcome.lateness.quantile(0.99)


class PeerRequests:
    """Requests to the server of `peers/glue_serving.py`."""

    def __init__(self, host: str, users: Sequence[str]) -> None:
        self._random = random.Random(0)
        head = f"POST /recommend HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
        bodies = [json.dumps({"user": user}) for user in users]
        self._messages = [f"{head}content-length: {len(one)}\r\n\r\n{one}".encode() for one in bodies]

    def recommend(self) -> bytes:
        """Return the next request for a slate."""
        return self._messages[int(self._random.random() * len(self._messages))]

    def event(self) -> bytes:
        """Refuse: the peer takes no events."""
        raise NotImplementedError("no schedule for the peer holds events")


def some_users(built: Catalogue) -> list[str]:
    """Return people of the catalogue, each as likely as another, the same in every run."""
    drawn = np.random.default_rng(5).integers(0, built.num_users, _NUM_USERS)
    return [f"u{number}" for number in drawn]


def our_requests(built: Catalogue, hosted: Hosted, *, with_events: bool = True) -> Requests:
    """Return what is asked of our server: slates, and watches of clips drawn alike beside them."""
    users = some_users(built)
    clips = np.random.default_rng(6).integers(0, built.num_items, len(users)).tolist()
    events = [
        {"type": "watch", "user": user, "clip": f"i{clip}", "watch_s": 12.5}
        for user, clip in zip(users, clips, strict=True)
    ]
    host = hosted.url.removeprefix("http://")
    return ShortlistRequests(host, SURFACE, Who(users, 0.0), events if with_events else ())


def peer_requests(built: Catalogue, hosted: Hosted) -> Requests:
    """Return what is asked of the peer."""
    return PeerRequests(hosted.url.removeprefix("http://"), some_users(built))


def steady(
    hosted: Hosted,
    requests: Requests,
    rate: float,
    seconds: float,
    *,
    events_per_request: float = 0.0,
    warm_up_s: float = WARM_UP_S,
    num_connections: int = NUM_CONNECTIONS,
) -> Driven:
    """Ask at one rate, as many independent users would."""
    due = schedule(rate, events_per_request, seconds + warm_up_s, "poisson", seed=1)
    return on_schedule(hosted, requests, due, rate, warm_up_s=warm_up_s, num_connections=num_connections)


def on_schedule(
    hosted: Hosted,
    requests: Requests,
    due: Schedule,
    rate: float,
    *,
    warm_up_s: float = 0.0,
    num_connections: int = NUM_CONNECTIONS,
    tell: Callable[[float, Tally], None] | None = None,
) -> Driven:
    """Ask by a schedule, and look at the server's CPU before and after."""
    before_s = hosted.cpu_s()
    outcome = drive(
        Address.of(hosted.url), due, requests, warm_up_s=warm_up_s, timeout_s=TIMEOUT_S,
        num_connections=num_connections, tell=tell,
    )  # fmt: skip
    cpu_ms = 1000 * (hosted.cpu_s() - before_s) / max(1, outcome.num_sent)
    return Driven(rate, outcome, cpu_ms, _width(hosted))


def _width(hosted: Hosted) -> float:
    """Return how many candidates may pass; infinity for a server that never narrows."""
    try:
        found = re.search(r"^shortlist_width_share (\S+)", hosted.get("/metrics"), re.MULTILINE)
    except HTTPError:
        return math.inf
    return math.inf if found is None else float(found[1]) * DEFAULT_WIDTH


def highest_rate(
    hosted: Hosted, requests: Requests, p99_ms: float, *, start: float, may_narrow: bool = False
) -> Driven | None:
    """Find the highest rate that a server bears, with the search of `shortlist load`.

    Args:
        hosted: the server.
        requests: what is asked.
        p99_ms: the latency that 99 of 100 requests must keep, counted from when they were due.
        start: the first rate.
        may_narrow: count a rate as held, too, when fewer candidates are ranked than are proposed.

    Returns:
        A trial that was held at that rate; None when not even four requests a second are.
    """
    held: dict[float, Driven] = {}

    def holds(rate: float) -> bool:
        tried = steady(hosted, requests, rate, _SEARCH_S)
        if tried.meets(p99_ms) and (may_narrow or tried.is_wide):
            held[rate] = tried
        return rate in held and held[rate] is tried

    found = search(holds, start, tolerance=_TOLERANCE, least_rps=_LEAST_RPS)
    return held.get(found)
