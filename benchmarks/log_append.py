"""Durable events per second of the log, what a commit waits for beside a busy thread, an import's seconds.

Run: python benchmarks/log_append.py [folder on the disk to measure]
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from shortlist.log import Event, EventSchema, HistorySource, SqliteLog, tables

WATCH = EventSchema("watch", {"user": "str", "video": "str", "watch_s": "float"})
SECONDS_EACH = 4.0
NUM_PRODUCERS = 64
NUM_ROWS = 100
NUM_HISTORY_ROWS = 1_000_000


def main() -> None:
    parent = sys.argv[1] if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory(dir=parent) as folder, SqliteLog(Path(folder) / "log", [WATCH]) as log:
        one = [event(0)]
        group = [event(i) for i in range(500)]
        report_append("one by one", log, lambda: appending(log, one))
        report_append("groups of 500", log, lambda: appending(log, group))
        report_append(f"{NUM_PRODUCERS} producers, one by one", log, lambda: together(log, one))
        report_busy(Path(folder))
        report_import(log)
        report_reading(log)


def event(i: int) -> Event:
    return Event("watch", {"user": f"u{i * 7919 % 50_000}", "video": f"v{i % 20_000}", "watch_s": i / 7})


def appending(log: SqliteLog, events: list[Event]) -> list[float]:
    """Append until the time is up; return the milliseconds of every append."""
    spent_ms = []
    end = time.perf_counter() + SECONDS_EACH
    while (begin := time.perf_counter()) < end:
        log.append(events)
        spent_ms.append((time.perf_counter() - begin) * 1000)
    return spent_ms


def together(log: SqliteLog, events: list[Event]) -> list[float]:
    with ThreadPoolExecutor(NUM_PRODUCERS) as pool:
        parts = list(pool.map(lambda _: appending(log, events), range(NUM_PRODUCERS)))
    return [spent for part in parts for spent in part]


def report_append(name: str, log: SqliteLog, run: Callable[[], list[float]]) -> None:
    before, commits_before, begin = log.last_seq, log.num_commits, time.perf_counter()
    spent_ms = run()
    elapsed_s = time.perf_counter() - begin
    num_events, num_commits = log.last_seq - before, log.num_commits - commits_before
    p50, p99 = np.percentile(spent_ms, [50, 99])
    print(
        f"{name:28} {num_events / elapsed_s:10,.0f} durable events/s   {num_commits:6,} commits   "
        f"append p50 {p50:6.1f} ms  p99 {p99:6.1f} ms"
    )


def report_busy(folder: Path) -> None:
    """Commit rows while another thread computes: Python's lock changes hands with every statement's step."""
    done = threading.Event()
    busy = threading.Thread(target=compute, args=(done,))
    rows = [("user", "video", number) for number in range(NUM_ROWS)]
    database = tables.connect(folder)
    database.execute("CREATE TABLE rows(user TEXT, video TEXT, number INTEGER)")
    ways: dict[str, Callable[[], object]] = {
        "executemany": lambda: database.executemany("INSERT INTO rows VALUES (?, ?, ?)", rows),
        "the log's way": lambda: tables.insert_rows(database, "rows", rows),
    }
    spent_ms: dict[str, list[float]] = {name: [] for name in ways}
    busy.start()
    for _ in range(50):
        for name, insert in ways.items():
            begin = time.perf_counter()
            with tables.transaction(database):
                insert()
            spent_ms[name].append((time.perf_counter() - begin) * 1000)
    done.set()
    busy.join()
    database.close()
    medians = {name: float(np.median(spent)) for name, spent in spent_ms.items()}
    shown = ", ".join(f"{name} {median:.1f}" for name, median in medians.items())
    ratio = medians["the log's way"] / medians["executemany"]
    print(f"commit of {NUM_ROWS} rows beside a busy thread, median ms: {shown}, ratio {ratio:.2f}")


def compute(done: threading.Event) -> None:
    while not done.is_set():
        sum(range(500))


def report_import(log: SqliteLog) -> None:
    random = np.random.default_rng(0)
    columns = {
        "user": random.integers(0, 50_000, NUM_HISTORY_ROWS),
        "video": random.integers(0, 20_000, NUM_HISTORY_ROWS),
        "watch_s": random.random(NUM_HISTORY_ROWS) * 100,
        "time": 1_700_000_000_000_000 + random.integers(0, 10**12, NUM_HISTORY_ROWS),
    }
    source = HistorySource("watch", columns, {name: name for name in WATCH.fields}, "time")
    begin, begin_cpu = time.perf_counter(), time.process_time()
    report = log.import_history([source])
    print(
        f"import of {report.num_imported:,} rows: {time.perf_counter() - begin:.1f} s, "
        f"{time.process_time() - begin_cpu:.1f} CPU s"
    )


def report_reading(log: SqliteLog) -> None:
    begin, begin_cpu = time.perf_counter(), time.process_time()
    num_rows = sum(len(columns) for batch in log.batches() for columns in batch.kinds.values())
    print(
        f"replay of {num_rows:,} rows as columns: {time.perf_counter() - begin:.1f} s, "
        f"{time.process_time() - begin_cpu:.1f} CPU s"
    )


if __name__ == "__main__":
    main()
