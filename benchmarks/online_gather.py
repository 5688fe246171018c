"""What the online state costs a request and a record: the gather of 500 x 50 features, the stages, the fold.

Usage: online_gather.py [--items N] [--events N]. The state holds N items of a video product; a request reads
50 columns of 500 candidates, passes two filters and three re-rankers; records are folded in batches of 1, 20
and 50, as a served slate brings them; a snapshot is taken while a thread reads. Times are wall-clock medians
and minima over many repeats.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

import shortlist as sl
from shortlist.features.encoders import Encoding
from shortlist.features.online import OnlineState
from shortlist.features.schema import log_schemas
from shortlist.log.columns import Batch, Columns, Strings, columns_from_records
from shortlist.log.record import Record
from shortlist.pipeline.merge import merge
from shortlist.stages.contract import Query, Slate

SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US
NOW_US = 1_760_000_000 * SECOND_US
NUM_USERS, NUM_NEW, NUM_CANDIDATES, NUM_COLUMNS = 50_000, 60_000, 500, 50
TOPICS = [f"topic {number}" for number in range(40)]
COUNTRIES = [f"country {number}" for number in range(20)]


class Product:
    """A video feed whose ranker reads 50 columns."""

    def __init__(self) -> None:
        self.app = app = sl.App("video")
        user = app.entity("user", country=str, adult=bool, joined=sl.Time, language=str)
        video = app.entity(
            "video", creator=str, topic=str, language=str, duration_s=float, width=int, explicit=bool,
            published=sl.Time,
        )  # fmt: skip
        context = app.context(device=str, hour=int)
        watch = app.event("watch", user, video, watch_s=float)
        like = app.event("like", user, video)
        engaged = app.label("engaged", watch.watch_s > 20, within="30m")
        liked = app.label("liked", like, within="1d")
        cross = (user, video.topic)
        app.features(
            sl.count(watch, by=user, window=["1h", "1d", "7d"]),
            sl.mean(watch.watch_s, by=user, window=["1d", "7d"]),
            sl.rate(engaged, by=user, window=["1d", "7d"], prior=20),
            sl.recency(watch, by=user),
            sl.count(watch, by=video, window=["1h", "1d", "7d"]),
            sl.mean(watch.watch_s, by=video, window=["1d", "7d"]),
            sl.sum(watch.watch_s, by=video, window="1d"),
            sl.rate(engaged, by=video, window=["1h", "1d", "7d"], prior=20),
            sl.rate(liked, by=video, window=["1d", "7d"], prior=50),
            sl.count(app.impression, by=video, window=["1h", "1d"]),
            sl.recency(watch, by=video),
            sl.rate(engaged, by=video.creator, window=["1d", "7d"], prior=20),
            sl.rate(engaged, by=video.topic, window=["1d", "7d"], prior=50),
            sl.count(watch, by=video.topic, window=["1h", "1d"]),
            sl.count(watch, by=cross, window=["1h", "1d", "7d"]),
            sl.mean(watch.watch_s, by=cross, window=["1d", "7d"]),
            sl.rate(engaged, by=cross, window=["1d", "7d"], prior=5),
            sl.count(app.impression, by=cross, window=["1h", "1d"]),
            sl.rate(engaged, by=(user, video.creator), window="7d", prior=5),
            sl.rate(engaged, by=(user.country, video.topic), window="7d", prior=50),
            sl.age(video.published), sl.age(user.joined),
            video.duration_s, video.width, video.explicit, video.topic, video.language,
            user.country, user.adult, context.device, context.hour,
        )  # fmt: skip
        self.surface = app.surface(
            "home",
            sources=[sl.Fresh(within="1d", n=50), sl.Popular(n=100)],
            filters=[sl.NotSeen(), sl.Where(~video.explicit | user.adult)],
            rerank=[sl.AtMost(1, per=video.creator), sl.Diversify(video.topic), sl.Explore(slots=2)],
            k=20,
        )
        self.schemas = log_schemas(app)


def filled(product: Product, num_items: int, num_events: int) -> OnlineState:
    """Return a state that has folded users, items, and impressions, watches and likes of seven days."""
    rng, state = np.random.default_rng(3), OnlineState(product.app)

    def texts(values: list[str], size: int) -> Strings:
        return Strings(rng.integers(0, len(values), size).astype(np.int32), values)

    def numbered(prefix: str, numbers: np.ndarray) -> Strings:
        distinct, codes = np.unique(numbers, return_inverse=True)
        return Strings(codes.astype(np.int32), [f"{prefix}{number}" for number in distinct])

    def entity(kind: str, numbers: np.ndarray, fields: dict[str, object]) -> None:
        seqs = state.last_seq + 1 + np.arange(len(numbers))
        times_us = np.full(len(numbers), NOW_US - 8 * DAY_US)
        columns = {kind: numbered(kind[0], numbers), **fields}
        state.apply(
            Batch(int(seqs[0]), int(seqs[-1]), {kind: Columns(kind, seqs, times_us, times_us, columns)})  # type: ignore[arg-type]
        )

    languages = COUNTRIES[:8]
    entity(
        "user", np.arange(NUM_USERS),
        {"country": texts(COUNTRIES, NUM_USERS), "adult": rng.integers(-1, 2, NUM_USERS).astype(np.int8),
         "joined": NOW_US - rng.integers(0, 900 * DAY_US, NUM_USERS),
         "language": texts(languages, NUM_USERS)},
    )  # fmt: skip
    for start in range(0, num_items, 100_000):
        size = min(100_000, num_items - start)
        entity(
            "video", np.arange(start, start + size),
            {"creator": numbered("c", rng.integers(0, 1 + num_items // 20, size)),
             "topic": texts(TOPICS, size), "language": texts(languages, size),
             "duration_s": rng.random(size) * 300, "width": rng.integers(100, 4000, size),
             "explicit": (rng.random(size) < 0.2).astype(np.int8),
             "published": NOW_US - rng.integers(-DAY_US, 400 * DAY_US, size)},
        )  # fmt: skip
    for start in range(0, num_events, 50_000):
        size = min(50_000, num_events - start)
        span_us = 7 * DAY_US // max(num_events, 1)
        times_us = NOW_US - 7 * DAY_US + (start + np.arange(size)) * span_us
        users, items = rng.integers(0, NUM_USERS, size), (num_items * rng.random(size) ** 3).astype(np.int64)
        kind_of = rng.choice(3, size, p=[0.6, 0.35, 0.05])
        seqs = state.last_seq + 1 + np.arange(size)
        kinds = {}
        for number, kind in enumerate(("impression", "watch", "like")):
            rows = np.flatnonzero(kind_of == number)
            fields = {"user": numbered("u", users[rows]), "video": numbered("v", items[rows])}
            schema = next(schema for schema in product.schemas if schema.kind == kind)
            blank = columns_from_records(schema, []).fields
            for name, empty in blank.items():
                if name not in fields and isinstance(empty, np.ndarray):
                    fields[name] = np.full(len(rows), 1 if name == "position" else 0, empty.dtype)
                elif name not in fields:
                    fields[name] = Strings(np.full(len(rows), -1, np.int32), [])
            if kind == "watch":
                fields["watch_s"] = rng.random(len(rows)) * 60
            kinds[kind] = Columns(kind, seqs[rows], times_us[rows], times_us[rows], fields)  # type: ignore[arg-type]
        state.apply(Batch(int(seqs[0]), int(seqs[-1]), kinds))
    return state


class Stream:
    """Small batches, as a server that is used makes them."""

    def __init__(self, product: Product, state: OnlineState, num_items: int) -> None:
        self._schemas, self._num_items = product.schemas, num_items
        self._rng = np.random.default_rng(9)
        self._seq, self._time_us = state.last_seq, max(state.last_log_time_us, NOW_US)

    def batch(self, size: int, kinds: list[str], *, is_new: bool = False) -> Batch:
        """Return the next records: impressions of one user's slate, or a mix of kinds."""
        records, first = [], self._seq + 1
        user = int(self._rng.integers(NUM_USERS))
        for place in range(size):
            kind = kinds[place % len(kinds)]
            self._seq, self._time_us = self._seq + 1, self._time_us + 1000
            item = f"new {self._seq}" if is_new else f"v{int(self._num_items * self._rng.random() ** 3)}"
            fields: dict[str, object] = {"user": f"u{user}", "video": item}
            if kind == "watch":
                fields["watch_s"] = float(self._rng.integers(60))
            if kind == "impression":
                fields["position"] = place
            if kind == "video":
                fields = {
                    "video": item,
                    "topic": TOPICS[place % len(TOPICS)],
                    "published": self._time_us,
                    "width": 3,
                }
            records.append(
                Record(
                    seq=self._seq, id=None, kind=kind, log_time_us=self._time_us,
                    event_time_us=self._time_us, fields=fields,
                )
            )  # fmt: skip
        columns = {schema.kind: columns_from_records(schema, records) for schema in self._schemas}
        return Batch(first, self._seq, {kind: rows for kind, rows in columns.items() if len(rows)})


def report(what: str, calls: Sequence[Callable[[], object]], per: int = 1) -> None:
    seconds = sorted(timed(call) for call in calls)
    middle, ninety_nine = seconds[len(seconds) // 2], seconds[len(seconds) * 99 // 100]
    print(
        f"{what:<58} median {middle * 1e6 / per:8.1f}  min {seconds[0] * 1e6 / per:8.1f}  "
        f"p99 {ninety_nine * 1e6 / per:8.1f} us"
    )


def timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def stages(product: Product, state: OnlineState, num_items: int) -> None:
    """Time every stage on a request's candidates."""
    rng, app, surface = np.random.default_rng(4), product.app, product.surface
    users, repeats = rng.integers(0, NUM_USERS, 300), range(300)
    candidates = [np.unique(rng.integers(0, num_items, 520))[:NUM_CANDIDATES] for _ in repeats]
    for items in candidates:
        rng.shuffle(items)
    asked = [
        Query(int(user), 20, state.moment(NOW_US), {"device": "tv", "hour": 3}, place, state)
        for place, user in enumerate(users)
    ]
    for stage in surface.filters:
        keep = stage.ready(app)  # type: ignore[attr-defined]
        keep(asked[0], candidates[0])
        calls = [partial(keep, asked[turn], candidates[turn]) for turn in repeats]
        report(f"filter {type(stage).__name__}", calls)
    slates = [
        Slate(items, -np.sort(-rng.random(len(items))), np.ones_like(items), np.ones(len(items)), len(items))
        for items in candidates
    ]
    for stage in surface.rerank:
        order = stage.ready(app)  # type: ignore[attr-defined]
        order(asked[0], slates[0])
        calls = [partial(order, asked[turn], slates[turn]) for turn in repeats]
        report(f"re-ranker {type(stage).__name__}", calls)
    history = next(iter(state.plan.histories.values()))
    calls = [partial(state.history, history, int(users[turn]), asked[turn].time_us) for turn in repeats]
    report("history", calls)
    propose = surface.sources[0].ready(app, None, None)  # type: ignore[attr-defined]
    propose(asked[0])
    report("source Fresh", [partial(propose, asked[turn]) for turn in repeats])
    proposals = [{0: items[:300], 1: items[200:400], 2: items[350:]} for items in candidates]
    merge(proposals[0], 500)
    report("merge of three sources", [partial(merge, proposals[turn], 500) for turn in repeats])


def gather(product: Product, state: OnlineState, num_items: int) -> None:
    """Time the features of a request, its candidates seen at random."""
    encoding = Encoding(
        state.plan.names,
        {name: TOPICS + COUNTRIES + ["tv"] for name in state.plan.categorical},
    )
    assert len(state.plan.names) == NUM_COLUMNS, len(state.plan.names)
    rng = np.random.default_rng(5)
    users = rng.integers(0, NUM_USERS, 400)
    candidates = (num_items * rng.random((400, NUM_CANDIDATES)) ** 2).astype(np.int64)
    time_us = state.moment(NOW_US)
    context = {"device": "tv", "hour": 7}

    def read(turn: int) -> object:
        return state.features(int(users[turn]), candidates[turn], time_us, context, encoding)

    read(0)
    report("features of 500 candidates, 50 columns", [partial(read, turn) for turn in range(1, 400)])
    report("the same, the candidates in the cache", [partial(read, 1)] * 300)


def fold(product: Product, state: OnlineState, num_items: int) -> None:
    """Time records that come in, by batch size."""
    stream = Stream(product, state, num_items)
    state.apply(stream.batch(60, ["impression", "watch", "like", "video"]))
    for size, kinds in (
        (1, ["watch"]), (1, ["impression"]), (20, ["impression"]), (50, ["impression"]),
        (20, ["impression", "watch", "like"]), (20, ["impression", "watch", "like", "video"]),
    ):  # fmt: skip
        batches = [stream.batch(size, kinds) for _ in range(300)]
        what = f"fold {size} of {', '.join(kinds)}, a record"
        report(what, [partial(state.apply, batch) for batch in batches], size)


class Onlooker:
    """Takes the state's lock all the time, as readers do, and remembers how long it waited at worst."""

    def __init__(self, state: OnlineState) -> None:
        self._state, self._stop = state, threading.Event()
        self.worst_s = 0.0
        self._thread = threading.Thread(target=self._look)

    def _look(self) -> None:
        while not self._stop.is_set():
            start_s = time.perf_counter()
            with self._state.lock:
                self.worst_s = max(self.worst_s, time.perf_counter() - start_s)
            time.sleep(0.0002)

    def watch(self, what: str, action: Callable[[], object]) -> None:
        """Run something beside readers; print how long a reader waited for the lock at worst."""
        self._thread.start()
        took_s = timed(action)
        self._stop.set()
        self._thread.join()
        print(
            f"{what:<58} took {took_s * 1e3:7.1f} ms, a reader waited {self.worst_s * 1e3:7.2f} ms at worst"
        )


def cliffs(product: Product, state: OnlineState, num_items: int) -> None:
    """Time what may hold readers up: a snapshot, a release, and an ever larger catalogue."""
    with tempfile.TemporaryDirectory() as folder:
        state.snapshot(Path(folder))
        Onlooker(state).watch("snapshot", partial(state.snapshot, Path(folder)))
    Onlooker(state).watch("release", state.release)
    stream = Stream(product, state, num_items)
    batches = [stream.batch(20, ["video", "impression"], is_new=True) for _ in range(NUM_NEW // 20)]
    worst: list[float] = []
    Onlooker(state).watch(
        f"{NUM_NEW:,} new items, by twenty",
        lambda: worst.extend(timed(partial(state.apply, batch)) for batch in batches),
    )
    print(f"{'the slowest of these batches':<58} {max(worst) * 1e3:.1f} ms")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--events", type=int, default=1_000_000)
    asked = parser.parse_args()
    product = Product()
    start_s = time.perf_counter()
    state = filled(product, asked.items, asked.events)
    print(
        f"{len(state.items):,} items, {asked.events:,} events: {time.perf_counter() - start_s:.1f} s, "
        f"{state.num_bytes / 1e6:.0f} MB of sums"
    )
    gather(product, state, asked.items)
    stages(product, state, asked.items)
    fold(product, state, asked.items)
    cliffs(product, state, asked.items)


if __name__ == "__main__":
    main()
