"""What logging an answer costs: CPU of each step of a slate of 20 slots with 50 features, and of sealing.

Run: python benchmarks/evidence_cost.py [folder on the disk to measure]

The slate goes into the log as a block; beside it the same slate as twenty events, each a row of JSON, and
as twenty rows of the same bytes given to SQLite with `executemany`. Steps run one by one in one thread; the
figure is the least of many repeats, in microseconds of CPU. A commit takes `SLATES_A_COMMIT` slates, as it
does when slates come faster than the disk forces them.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path

import numpy as np

import shortlist as sl
from shortlist.declare.events import IMPRESSION
from shortlist.features.schema import log_schemas
from shortlist.log import Appended, Block, Encoded, Event, SqliteLog, tables
from shortlist.log.bodies import BodyCodec, TailRow, batch_from_rows
from shortlist.online.impressions import Impressions
from shortlist.online.schema import RecommendAnswer, Slot
from shortlist.online.telemetry import Telemetry
from shortlist.pipeline.answer import Answer
from shortlist.pipeline.trace import Trace

NUM_SLOTS, NUM_FEATURES = 20, 50
SLATES_A_COMMIT = 5
REPEATS = 300
NUM_SEALED = 10_000
USER = "user-4711"

app = sl.App("evidence")
user, item = app.entity("user"), app.entity("item")
watch = app.event("watch", user, item, watch_s=float)
app.features(sl.count(watch, by=user, window="1d"))
app.surface("home", sources=[sl.Popular(n=100)], k=20, slo=sl.SLO(p99_ms=50))


def main() -> None:
    parent = sys.argv[1] if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        report_steps(Path(folder))
        report_sealing(Path(folder))


class OneBlock:
    """Stands where the log stands, and keeps what it is given."""

    block: Block

    def submit_block(self, block: Block) -> Future[list[Appended]]:
        """Take the block."""
        self.block = block
        return Future()


def report_steps(folder: Path) -> None:
    answer, sent = a_slate()
    taken = OneBlock()
    evidence = Impressions(app, Telemetry())
    build_us = least_us(lambda: evidence.submit(taken, USER, {}, answer, sent))
    block = taken.block
    codec = BodyCodec(next(schema for schema in log_schemas(app) if schema.kind == IMPRESSION))
    events = one_by_one(block)
    with SqliteLog(folder / "submitting", log_schemas(app)) as log:
        queue_us = least_us(lambda: log.submit_block(block))
    as_block = [Encoded(IMPRESSION, None, None, *codec.encode_block(block), NUM_SLOTS)]
    as_events = [Encoded(event.kind, None, None, *codec.encode(event.fields)) for event in events]
    steps = {
        "build, on the answering thread": (build_us, least_us(lambda: one_by_one(block))),
        "queue, on the answering thread": (queue_us, 0.0),
        "check and encode": (
            least_us(lambda: codec.encode_block(block)),
            least_us(lambda: [codec.encode(event.fields) for event in events]),
        ),
        "commit": (commit_us(folder / "blocks", as_block), commit_us(folder / "events", as_events)),
        "build the columns that a fold reads": (deliver_us(codec, as_block), deliver_us(codec, as_events)),
    }
    print(f"CPU us a slate of {NUM_SLOTS} slots x {NUM_FEATURES} features: one block, twenty events")
    for name, (of_block, of_events) in steps.items():
        print(f"  {name:36} {of_block:7.1f} {of_events:7.1f}")
    total, total_of_events = (sum(costs) for costs in zip(*steps.values(), strict=True))
    raw_us = executemany_us(folder / "raw", as_events)
    print(
        f"  {'all':36} {total:7.1f} {total_of_events:7.1f}   {total / total_of_events:.2f} of twenty events"
    )
    print(
        f"  SQLite's executemany of the twenty bodies {raw_us:.1f}: a block takes {total / raw_us:.2f} of it"
    )
    sizes = [sum(len(one.body) for one in encoded) for encoded in (as_block, as_events)]
    print(f"  bytes {sizes[0]:,} and {sizes[1]:,}")


def a_slate() -> tuple[Answer, RecommendAnswer]:
    random = np.random.default_rng(0)
    features = random.standard_normal((NUM_SLOTS, NUM_FEATURES)).astype(np.float32)
    features[random.random(features.shape) < 0.1] = np.nan
    sources = (("two_tower", "popular"),) * NUM_SLOTS
    answer = Answer(
        items=np.arange(NUM_SLOTS),
        scores=random.random(NUM_SLOTS),
        parts=random.random((NUM_SLOTS, 2)).astype(np.float32),
        labels=("engaged", "liked"),
        features=features,
        propensities=random.random(NUM_SLOTS),
        positions=np.arange(1, NUM_SLOTS + 1),
        sources=sources,
        as_of_seq=1_234_567,
        time_us=1_700_000_000_000_000,
        degraded=(),
        trace=Trace((), 0.0),
    )
    slots = [
        Slot(
            f"item-{7919 * i}", i + 1, float(answer.scores[i]), {}, float(answer.propensities[i]), sources[i]
        )
        for i in range(NUM_SLOTS)
    ]
    return answer, RecommendAnswer("0" * 32, "home", "20260101-a1b2c3", (), slots)


def one_by_one(block: Block) -> list[Event]:
    """Return the events of a block, as they are given one by one."""
    fields = {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in block.fields.items()
    }
    fields["features"] = [[None if x != x else x for x in row] for row in fields["features"]]
    return [
        Event(block.kind, {k: v[i] if isinstance(v, list) else v for k, v in fields.items()})
        for i in range(block.num_events)
    ]


def placed(encoded: Sequence[Encoded], after_seq: int) -> list[TailRow]:
    """Give slates their positions, as many as a commit takes."""
    rows = []
    for one in [*encoded] * SLATES_A_COMMIT:
        after_seq += one.num_events
        rows.append(TailRow(after_seq, 1, one.kind, 1, None, one.body, one.num_events))
    return rows


def commit_us(folder: Path, encoded: Sequence[Encoded]) -> float:
    folder.mkdir()
    database = tables.connect(folder)
    last_seq = 0

    def commit() -> None:
        nonlocal last_seq
        rows = placed(encoded, last_seq)
        with tables.transaction(database):
            tables.insert_rows(database, "tail", rows)
        last_seq = rows[-1].seq

    spent_us = least_us(commit) / SLATES_A_COMMIT
    database.close()
    return spent_us


def executemany_us(folder: Path, encoded: Sequence[Encoded]) -> float:
    folder.mkdir()
    database = tables.connect(folder)
    database.execute("CREATE TABLE raw(body TEXT)")
    bodies = [(one.body,) for one in encoded] * SLATES_A_COMMIT

    def commit() -> None:
        with tables.transaction(database):
            database.executemany("INSERT INTO raw VALUES (?)", bodies)

    spent_us = least_us(commit) / SLATES_A_COMMIT
    database.close()
    return spent_us


def deliver_us(codec: BodyCodec, encoded: Sequence[Encoded]) -> float:
    rows = placed(encoded, 0)
    decoded = [one.decoded for one in encoded] * SLATES_A_COMMIT

    def deliver() -> None:
        columns = batch_from_rows(rows, {IMPRESSION: codec}, decoded).kinds[IMPRESSION]
        for entity in (user, item):
            columns.fields[entity.entity_name]

    return least_us(deliver) / SLATES_A_COMMIT


def report_sealing(folder: Path) -> None:
    """Seal slates while another thread wants to run every millisecond: how late does it wake?"""
    importlib.import_module("duckdb")  # as a server does before it serves
    answer, sent = a_slate()
    with SqliteLog(folder / "log", log_schemas(app), seal_after_events=10**9) as log:
        evidence = Impressions(app, Telemetry())
        late_ms: list[float] = []
        done = threading.Event()
        ticking = threading.Thread(target=tick, args=(done, late_ms))
        for _ in range(0, NUM_SEALED, 1000):
            for _ in range(1000):
                evidence.submit(log, USER, {}, answer, sent)
            log.append([Event("watch", {"user": USER, "item": "item-1", "watch_s": 1.0})])
        ticking.start()
        time.sleep(1.0)
        num_idle = len(late_ms)
        begin, begin_cpu = time.perf_counter(), time.process_time()
        num_events = log.seal()
        seconds, cpu_s = time.perf_counter() - begin, time.process_time() - begin_cpu
        done.set()
        ticking.join()
    print(f"sealing {num_events:,} events: {seconds:.2f} s, {1e6 * cpu_s / num_events:.1f} CPU us an event")
    for name, part in {"before": late_ms[:num_idle], "while sealing": late_ms[num_idle:]}.items():
        p50, p99, most = np.percentile(part, [50, 99, 100])
        print(f"  another thread wakes late by p50 {p50:.2f}  p99 {p99:.2f}  max {most:.2f} ms {name}")


def tick(done: threading.Event, late_ms: list[float]) -> None:
    while not done.is_set():
        begin = time.perf_counter()
        time.sleep(0.001)
        late_ms.append(1000 * (time.perf_counter() - begin) - 1)


def least_us(call: Callable[[], object]) -> float:
    spent_ns = []
    for _ in range(REPEATS):
        begin = time.thread_time_ns()
        call()
        spent_ns.append(time.thread_time_ns() - begin)
    return min(spent_ns) / 1000


if __name__ == "__main__":
    main()
