"""Figure 6: from an event to its effect in the next answer, while many others stream in."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator, Sequence
from multiprocessing import get_context
from typing import Any

import numpy as np

from serving.app import SURFACE
from serving.bench import Bench, ms
from serving.driving import NUM_CONNECTIONS, TIMEOUT_S, some_users
from serving.hosting import our_server
from shortlist.load.arrivals import Schedule, arrivals
from shortlist.load.connection import Address
from shortlist.load.drive import drive

TITLE = "From an event to its effect"
MINUTES = 1.5
_EVENTS_PER_S, _BATCH, _STREAM_S = 5000, 50, 40.0
_PROBE_S = 30.0
_SATURATION_S, _SATURATION_BATCH, _SENDERS = 10.0, 500, 8
_GIVE_UP_S = 5.0


def show(bench: Bench) -> None:
    """Measure and print."""
    built = bench.built()
    users = some_users(built)
    host = ""
    spawn = get_context("spawn")
    with our_server(built) as (hosted, _):
        host = hosted.url.removeprefix("http://")
        rows = [("alone", *_row(_probe(host, users, _PROBE_S / 3)))]
        told = spawn.Queue()
        streaming = spawn.Process(target=_stream, args=(hosted.url, users, built.num_items, told))
        streaming.start()
        time.sleep(2.0)
        rows.append((f"while {_EVENTS_PER_S:,} events/s stream in", *_row(_probe(host, users, _PROBE_S))))
        streaming.join()
        num_accepted, ack_p50_ms, ack_p99_ms = told.get()
        before_s = hosted.cpu_s()
        saturating = spawn.Process(target=_saturate, args=(host, users, built.num_items, told))
        saturating.start()
        saturating.join()
        most = told.get()
        cpu_us = 1e6 * (hosted.cpu_s() - before_s) / (most * _SATURATION_S)
    bench.table(
        f"6. {TITLE}: {built.num_items:,} clips; a clip of the slate is watched, and goes from the next",
        ("", "p50", "p99", "gone in the very next answer", "probes"), rows,
    )  # fmt: skip
    bench.table(
        "   Durable events: on the disk and folded before they are acknowledged",
        ("", "ours"),
        [
            ("streamed in", f"{num_accepted / _STREAM_S:,.0f} events/s in batches of {_BATCH}"),
            ("  p50 / p99 until acknowledged", f"{ms(ack_p50_ms)} / {ms(ack_p99_ms)}"),
            (f"at saturation, {_SENDERS} senders of {_SATURATION_BATCH}", f"{most:,.0f} events/s"),
            ("  CPU of the server for an event", f"{cpu_us:.0f} us"),
        ],
    )


def _row(probes: tuple[list[float], int]) -> tuple[str, str, str, str]:
    times_ms, num_next = probes
    p50, p99 = np.percentile(times_ms, [50, 99])
    return ms(p50), ms(p99), f"{num_next / len(times_ms):.1%}", f"{len(times_ms):,}"


def _probe(host: str, users: Sequence[str], seconds: float) -> tuple[list[float], int]:
    """Watch the first clip of a person's slate, and see when the next slates lose it.

    Returns:
        Milliseconds from sending the event to the first answer without the clip, and how many times that
        was the very next answer.
    """
    connection = http.client.HTTPConnection(host)
    times_ms, num_next = [], 0
    end_s = time.perf_counter() + seconds
    for user in _around(users):
        if time.perf_counter() > end_s:
            return times_ms, num_next
        asked = {"user": user}
        slate = _post(connection, f"/v1/surfaces/{SURFACE}/recommend", asked)["items"]
        if not slate:  # all was late: there is nothing to watch
            continue
        clip = slate[0]["item"]
        sent_s = time.perf_counter()
        _post(connection, "/v1/events", {"type": "watch", "user": user, "clip": clip, "watch_s": 40.0})
        num_answers = 0
        while clip in {one["item"] for one in slate}:
            assert time.perf_counter() - sent_s < _GIVE_UP_S, f"{clip} stays in the slate of {user}"
            slate = _post(connection, f"/v1/surfaces/{SURFACE}/recommend", asked)["items"]
            num_answers += 1
        times_ms.append(1000 * (time.perf_counter() - sent_s))
        num_next += num_answers == 1
    raise AssertionError("people do not run out")


class _Batches:
    """Batches of watches, for the generator."""

    def __init__(self, host: str, bodies: list[bytes]) -> None:
        head = f"POST /v1/events HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
        self._next = _around([f"{head}content-length: {len(one)}\r\n\r\n".encode() + one for one in bodies])

    def recommend(self) -> bytes:
        """Return the next batch: to the generator it is a request like any other."""
        return next(self._next)

    def event(self) -> bytes:
        """Refuse: no schedule holds events beside these."""
        raise NotImplementedError("the batches are the requests")


def _stream(url: str, users: Sequence[str], num_items: int, told: Any) -> None:
    """Send batches at a constant rate; tell how many events were accepted, and how long that took."""
    due_s = arrivals(_EVENTS_PER_S / _BATCH, _STREAM_S, "constant", 0)
    outcome = drive(
        Address.of(url), Schedule(due_s, np.zeros(len(due_s), bool)),
        _Batches(url.removeprefix("http://"), _bodies(users, num_items, _BATCH, 1)),
        warm_up_s=0.0, timeout_s=TIMEOUT_S, num_connections=NUM_CONNECTIONS,
    )  # fmt: skip
    answered = outcome.requests.answered
    told.put((answered.num * _BATCH, answered.quantile(0.5), answered.quantile(0.99)))


def _saturate(host: str, users: Sequence[str], num_items: int, told: Any) -> None:
    """Send batches one after another over several connections; tell how many events a second were taken."""
    bodies = _bodies(users, num_items, _SATURATION_BATCH, 2)
    counts = [0] * _SENDERS
    end_s = time.perf_counter() + _SATURATION_S

    def send(sender: int) -> None:
        connection = http.client.HTTPConnection(host)
        for body in _around(bodies[sender::_SENDERS]):
            if time.perf_counter() > end_s:
                return
            connection.request("POST", "/v1/events", body, {"content-type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            counts[sender] += _SATURATION_BATCH if answer.status == 200 else 0

    senders = [threading.Thread(target=send, args=(number,)) for number in range(_SENDERS)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    told.put(sum(counts) / _SATURATION_S)


def _bodies(users: Sequence[str], num_items: int, size: int, seed: int) -> list[bytes]:
    """Make some batches of watches of clips drawn alike."""
    random = np.random.default_rng(seed)
    bodies = []
    for _ in range(64):
        clips = random.integers(0, num_items, size).tolist()
        of = random.integers(0, len(users), size).tolist()
        events = [
            {"type": "watch", "user": users[user], "clip": f"i{clip}", "watch_s": 12.5}
            for user, clip in zip(of, clips, strict=True)
        ]
        bodies.append(json.dumps({"events": events}).encode())
    return bodies


def _around(values: Sequence[Any]) -> Iterator[Any]:
    while True:
        yield from values


def _post(connection: http.client.HTTPConnection, path: str, body: dict[str, object]) -> dict[str, Any]:
    connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
    answer = connection.getresponse()
    content = answer.read()
    assert answer.status == 200, f"{path} answered {answer.status}: {content[:200]!r}"
    found: dict[str, Any] = json.loads(content)
    return found
