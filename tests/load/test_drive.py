"""The open loop against real servers that stall, refuse, hang, close, degrade."""

from __future__ import annotations

import json
import time
from collections import Counter
from urllib.request import urlopen

import numpy as np
import pytest

from load.toy import asking, toy
from shortlist.load.arrivals import Schedule, schedule
from shortlist.load.drive import Outcome, drive

AT_ONCE = "async def respond(number): return answered(200, WHOLE)"


def driven(address, rate: float = 100, duration_s: float = 1.0, requests=None, **options) -> Outcome:
    due = options.pop("due", None)
    if due is None:
        due = schedule(rate, options.pop("events_per_request", 0.0), duration_s, "constant", 0)
    settings = {"warm_up_s": 0.0, "timeout_s": 2.0, "num_connections": 64} | options
    return drive(address, due, requests or asking(address), **settings)


def test_a_stall_shows_in_full_although_only_one_request_met_it():
    # The event loop sleeps once for 300 ms: a closed loop would have one slow answer of 200, half a percent.
    with toy("""
        async def respond(number):
            if number == 60:
                time.sleep(0.3)
            return answered(200, WHOLE)
    """) as address:
        requests = driven(address, rate=100, duration_s=2.0).requests
    assert requests.answered.num == 200
    slow = requests.answered.num - requests.answered.num_within(100)
    assert slow >= 15  # what was due in the first 0.2 s of the stall, at 100 a second, waits over 100 ms
    assert requests.quantile(0.99) > 250


def test_waiting_for_a_free_connection_counts():
    with toy("""
        async def respond(number):
            await asyncio.sleep(0.2)
            return answered(200, WHOLE)
    """) as address:
        outcome = driven(address, due=Schedule(np.zeros(4), np.zeros(4, bool)), num_connections=1)
    assert outcome.num_waited == 3
    assert outcome.requests.answered.num == 4
    assert outcome.requests.quantile(1.0) >= 790
    assert outcome.requests.quantile(0.25) < 600


def test_statuses_refusals_and_reasons_are_counted():
    with toy("""
        async def respond(number):
            if number % 4 == 1:
                return answered(429, {}, "retry-after: 1\\r\\n")
            if number % 4 == 2:
                return answered(503, {})
            if number % 4 == 3:
                return answered(200, {"degraded": ["source Fresh: late by 3 ms", "ranker: late"]})
            return answered(200, WHOLE)
    """) as address:
        requests = driven(address).requests
    assert requests.statuses == Counter({200: 50, 429: 25, 503: 25})
    assert requests.refused.num == 50
    assert requests.degraded == 25
    assert requests.reasons == Counter({"source Fresh": 25, "ranker": 25})
    assert requests.share_degraded() == 0.5
    assert requests.quantile(0.5) < 1000
    assert requests.quantile(0.51) == np.inf, "half of the requests never came"


def test_a_hanging_request_times_out_and_the_others_go_on():
    with toy("""
        async def respond(number):
            if number == 1:
                await asyncio.sleep(60)
            return answered(200, WHOLE)
    """) as address:
        began_s = time.monotonic()
        requests = driven(address, timeout_s=0.5, num_connections=2).requests
    assert time.monotonic() - began_s < 10
    assert requests.failures == Counter({"timeout": 1})
    assert requests.answered.num == 99


def test_a_connection_that_the_server_closes_is_opened_again():
    with toy("""
        async def respond(number):
            if number % 10 == 0:
                return None
            return answered(200, WHOLE, "connection: close\\r\\n" if number % 10 == 5 else "")
    """) as address:
        requests = driven(address).requests
    assert requests.answered.num == 90
    assert requests.failures.total() == 10


def test_nobody_listening_is_counted_and_not_waited_for():
    with toy(AT_ONCE) as address:
        pass
    requests = driven(address).requests
    assert requests.failures == Counter({"connection refused": 100})


def test_the_warm_up_is_sent_and_not_counted_and_seconds_are_told():
    told = []
    with toy(AT_ONCE) as address:
        outcome = driven(
            address,
            rate=50,
            duration_s=3.0,
            warm_up_s=1.0,
            tell=lambda _, second: told.append(second.num),
        )
    assert outcome.num_sent == 150
    assert outcome.requests.num == 100
    assert outcome.lateness.num == 100
    assert sum(second.num for second in outcome.seconds) == 100
    assert 2 <= len(told) <= 3
    assert told[0] < max(told), "the second of the warm-up"


def test_events_and_strangers_reach_the_server():
    with toy(AT_ONCE) as address:
        events = [{"type": "watch", "user": "u1", "video": "v1"}]
        requests = asking(address, unknown=0.5, events=events, seed=1)
        outcome = driven(address, requests=requests, events_per_request=0.5)
        with urlopen(f"{address.url}/seen", timeout=10) as answer:
            seen = json.load(answer)
    assert outcome.events.answered.num == outcome.num_events_sent == 50
    assert seen["events"] == events * 50
    strangers = [user for user in seen["users"] if user not in ("u1", "u2")]
    assert 25 <= len(strangers) <= 75
    assert len(set(strangers)) == len(strangers), "each is somebody else"


def test_a_late_generator_is_found_out():
    class Slow:
        def __init__(self, requests):
            self._requests = requests

        def recommend(self) -> bytes:
            time.sleep(0.02)
            return self._requests.recommend()

    with toy(AT_ONCE) as address:
        outcome = driven(address, rate=100, requests=Slow(asking(address)))
    assert outcome.lateness.quantile(0.99) > 100, "it can send 50 a second at most"


@pytest.mark.parametrize("url", ["https://127.0.0.1:1", "127.0.0.1:80", "http://a/b"])
def test_only_a_plain_address_is_taken(url):
    from shortlist.load.connection import Address
    from shortlist.load.errors import LoadError

    with pytest.raises(LoadError, match="expected http://host:port"):
        Address.of(url)
