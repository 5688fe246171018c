"""A small video product with a logged past and real releases, and its server run in this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np

import shortlist as sl
from shortlist.declare.app import App
from shortlist.features.offline import History
from shortlist.features.schema import log_schemas
from shortlist.log.record import Event
from shortlist.log.sqlite import SqliteLog
from shortlist.models.contract import Examples, FeatureColumn
from shortlist.models.retrieval import Interactions
from shortlist.online.server import Server
from shortlist.pipeline.artifacts import FunnelArtifacts
from shortlist.releases import BundleWriter, DataRange, FeatureField, Metadata, ReleaseId
from shortlist.releases.artifacts import save_contents

NUM_USERS, NUM_ITEMS = 40, 80
USERS = [f"u{number}" for number in range(NUM_USERS)]
ITEMS = [f"v{number}" for number in range(NUM_ITEMS)]


def declare() -> App:
    """The declaration; budgets are wide, for tests share a busy machine."""
    app = sl.App("video")
    context = app.context(device=str, hour=int)
    user = app.entity("user", country=str, adult=bool)
    video = app.entity("video", creator=str, topic=str, duration_s=float, explicit=bool, published=sl.Time)
    watch = app.event("watch", user, video, watch_s=float)
    app.event("like", user, video)
    app.event("login", user, attempts=int)
    engaged = app.label("engaged", watch.watch_s > 30, within="30m")
    app.features(
        sl.count(watch, by=user, window=["1h", "1d"]),
        sl.mean(watch.watch_s, by=video, window="1d"),
        sl.rate(engaged, by=video, window="1d", prior=20),
        sl.count(watch, by=(user, video.topic), window="7d"),
        sl.count(app.impression, by=user, window="1h"),
        sl.recency(watch, by=user),
        sl.age(video.published),
        video.duration_s,
        video.topic,
        context.device,
        context.hour,
    )
    app.surface(
        "home",
        sources=[sl.Popular(n=60), sl.ItemToItem(n=40), sl.Fresh(within="30d", n=30)],
        filters=[sl.NotSeen(), sl.Where(~video.explicit | user.adult)],
        ranker=sl.Logistic(),
        value={engaged: 1.0},
        rerank=[sl.AtMost(2, per=video.creator), sl.Explore(slots=2)],
        k=10,
        slo=sl.SLO(p99_ms=20_000),
    )
    app.surface("plain", sources=[sl.Popular(n=60)], k=5, slo=sl.SLO(p99_ms=20_000))
    return app


def write_past(data: Path, app: App) -> None:
    """Log items, users, watches and impressions."""
    random = np.random.default_rng(7)
    now_us = time.time_ns() // 1000
    events = [
        Event(
            "video",
            {
                "video": item, "creator": f"c{number % 30}", "topic": f"t{number % 5}",
                "duration_s": 20.0 + number, "explicit": number % 10 == 0,
                "published": now_us - number * 10**9,
            },
        )
        for number, item in enumerate(ITEMS)
    ]  # fmt: skip
    events += [
        Event("user", {"user": user, "country": "de", "adult": n % 2 == 0}) for n, user in enumerate(USERS)
    ]
    for _ in range(400):
        # Only half of the users ever watched, and mostly the first items.
        user, item = USERS[random.integers(20)], ITEMS[int(random.beta(1, 4) * NUM_ITEMS)]
        shown = {"user": user, "video": item, "position": int(random.integers(10)), "device": "tv", "hour": 3}
        events.append(Event("impression", shown))
        if random.random() < 0.6:
            events.append(
                Event("watch", {"user": user, "video": item, "watch_s": float(random.gamma(2.0, 20.0))})
            )
    with SqliteLog(data / "log", log_schemas(app)) as log:
        log.append(events)


def publish(data: Path, app: App, seed: int = 0) -> ReleaseId:
    """Fit what the surfaces need on the log's past, and commit a release of it; it is not promoted.

    The seed weighs the past, so that another seed gives another release.
    """
    with SqliteLog(data / "log", read_only=True) as log:
        history = History.read(app, log)
    watched = history.events(app.events["watch"])
    weights = np.random.default_rng(seed).uniform(0.5, 1.5, len(watched)).astype(np.float32)
    interactions = Interactions(
        watched.ids["user"].astype(np.int32), watched.ids["video"].astype(np.int32), watched.times_us,
        weights, len(history.users), len(history.items),
    )  # fmt: skip
    popularity = sl.Popularity().fit(interactions)
    requests = history.impression_requests()
    encoding = history.fit_encoding(requests, min_count=1)
    columns = tuple(
        FeatureColumn(name, name in encoding.categories, len(encoding.categories.get(name, ())))
        for name in encoding.names
    )
    positive = history.outcomes(app.labels["engaged"]).positive
    examples = Examples(history.features(requests, encoding), columns, positive, requests.users)
    ranker = app.surfaces["home"].ladder.rungs[0].fit(examples, None)
    ids = history.items.texts()
    sources = app.surfaces["home"].sources
    home = FunnelArtifacts(
        ids,
        popularity,
        {0: popularity, 1: sources[1].model.fit(interactions)},
        {"engaged": ranker},
        encoding,
    )
    plain = FunnelArtifacts(ids, popularity, {0: popularity})
    with BundleWriter(data / "releases") as bundle:
        save_contents(bundle.folder, {"home": home, "plain": plain})
        return bundle.commit(metadata(app, history.last_seq))


def metadata(app: App, as_of_seq: int) -> Metadata:
    names = app.declared_features
    return Metadata(
        app=app.name,
        fingerprint=app.fingerprint(),
        as_of_seq=as_of_seq,
        data=DataRange(first_us=0, last_us=1, num_examples=1),
        features=tuple(FeatureField(name=name, kind="number") for name in names),
        stages=dict.fromkeys(app.surfaces, ()),
        p99_ms={name: surface.slo.p99_ms for name, surface in app.surfaces.items()},
        metrics={},
        sections={},
    )


@contextmanager
def running(app: App, data: Path, **options) -> Iterator[httpx.Client]:
    """Run the real server on a free port in a thread; give a client that speaks HTTP to it."""
    is_ready = threading.Event()
    server = Server(app, data, port=0, ready=lambda url: is_ready.set(), **options)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert is_ready.wait(60), "the server is not ready after a minute"
        with httpx.Client(base_url=server.url, timeout=60) as client:
            client.server = server
            yield client
    finally:
        server.stop()
        thread.join()


def recommend(client: httpx.Client, user: str, surface: str = "home", **asked) -> dict:
    """Ask for a slate that must be a sound one."""
    answer = client.post(f"/v1/surfaces/{surface}/recommend", json={"user": user, **asked})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert not body["degraded"], body["degraded"]
    return body


def send(client: httpx.Client, *events: dict) -> list[dict]:
    """Send events, and return what became of each."""
    answer = client.post("/v1/events", json={"events": list(events)})
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


def watch(user: str, video: str, watch_s: float = 12.5, **envelope: object) -> dict:
    """An event as a client sends it."""
    return {"type": "watch", "user": user, "video": video, "watch_s": watch_s, **envelope}
