"""The point-in-time engine beside DuckDB and Polars: the same rows, the same answers.

    make bench NAME=point_in_time            # 5M events, 500k requests: some minutes
    python benchmarks/point_in_time.py --events 500000 --requests 50000

A synthetic log of watches and impressions is written to a real event log. Each engine then runs in
a process of its own and computes, for every impression: user count 1h/1d/7d and mean watch 7d, item
count 1h/1d, item rate 7d, user x topic count 7d, and the user's last 20 items. Ours starts from the
log and resolves attributes and labels itself; the peers are handed what that gives (topics on the
events, labels joined to impressions), already numbered, in Parquet.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import shortlist as sl
from shortlist.declare.app import App
from shortlist.features.offline import History, Requests
from shortlist.features.schema import log_schemas
from shortlist.log import HistorySource, SqliteLog

US_PER_S = 1_000_000
DAYS = 30
NUM_TOPICS = 50
HISTORY = 20


def declaration() -> App:
    app = sl.App("bench")
    user = app.entity("user")
    item = app.entity("item", topic=str)
    watch = app.event("watch", user, item, watch_s=float)
    engaged = app.label("engaged", watch.watch_s > 30, within="30m")
    app.features(
        sl.count(watch, by=user, window=["1h", "1d", "7d"]),
        sl.mean(watch.watch_s, by=user, window="7d"),
        sl.count(watch, by=item, window=["1h", "1d"]),
        sl.rate(engaged, by=item, window="7d", prior=20),
        sl.count(watch, by=(user, item.topic), window="7d"),
        sl.last(watch, by=user, n=HISTORY),
    )
    return app


def write_log(folder: Path, num_events: int, num_requests: int) -> None:
    """Import num_events - num_requests watches and num_requests impressions over thirty days."""
    rng = np.random.default_rng(7)
    num_users, num_items = max(num_events // 25, 10), max(num_events // 100, 10)
    # No two rows share a microsecond, so that "before" means the same to every engine.
    times_us = np.sort(rng.choice(DAYS * 86_400 * US_PER_S // 64, num_events, replace=False)) * 64
    times_us += 1_700_000_000 * US_PER_S
    # The busiest tenth has a third of the users' events, and nearly half of the items'.
    users = (num_users * rng.random(num_events) ** 2).astype(np.int64)
    items = (num_items * rng.random(num_events) ** 3).astype(np.int64)
    shown = np.zeros(num_events, bool)
    shown[rng.choice(num_events, num_requests, replace=False)] = True
    # A quarter of the impressions are watched some minutes later, so that labels join.
    cause = rng.choice(np.flatnonzero(shown), num_requests // 4, replace=False)
    effect = np.searchsorted(times_us, times_us[cause] + rng.integers(1, 1500, len(cause)) * US_PER_S)
    effect = np.minimum(effect, num_events - 1)
    users[effect], items[effect] = users[cause], items[cause]
    names_u, names_i = (
        np.array([f"u{n}" for n in range(num_users)]),
        np.array([f"v{n}" for n in range(num_items)]),
    )
    catalogue = {
        "item": names_i,
        "topic": [f"t{n}" for n in rng.integers(0, NUM_TOPICS, num_items)],
        "time_us": np.full(num_items, times_us[0]),
    }
    watched = ~shown
    watches = {
        "user": names_u[users[watched]],
        "item": names_i[items[watched]],
        "watch_s": rng.exponential(25, int(watched.sum())).round(3),
        "time_us": times_us[watched],
    }
    impressions = {"user": names_u[users[shown]], "item": names_i[items[shown]], "time_us": times_us[shown]}
    with SqliteLog(folder, log_schemas(declaration())) as log:
        log.import_history(
            [
                HistorySource("item", catalogue, {"item": "item", "topic": "topic"}, time="time_us"),
                HistorySource("impression", impressions, {"user": "user", "item": "item"}, time="time_us"),
                HistorySource(
                    "watch", watches, {"user": "user", "item": "item", "watch_s": "watch_s"}, time="time_us"
                ),
            ]
        )


def write_tables(log_folder: Path, folder: Path) -> None:
    """Hand the peers the streams as Parquet: integer keys, labels joined, topics on the events."""
    import polars as pl

    app = declaration()
    with SqliteLog(log_folder, log_schemas(app), read_only=True) as log:
        history = History.read(app, log)
    watches, positives = history.events(app.events["watch"]), history.events(app.labels["engaged"])
    impressions, requests = history.impressions, history.impression_requests()
    assert watches is not None
    assert positives is not None
    assert impressions is not None

    def topics(items: np.ndarray) -> np.ndarray:
        everything = Requests(items * 0, items, items * 0 + history.last_seq, items * 0 + 2**62, {})
        return history.evaluate(app.entities["item"].topic, everything).values

    pl.DataFrame(
        {
            "user": watches.ids["user"], "item": watches.ids["item"], "topic": topics(watches.ids["item"]),
            "t": watches.times_us, "step": np.rint(watches.fields["watch_s"].values * 2**20).astype(np.int64),
        }
    ).write_parquet(folder / "watches.parquet")  # fmt: skip
    pl.concat(
        [
            pl.DataFrame(
                {"item": rows.ids["item"], "t": rows.times_us, "shown": shown, "positive": 1 - shown}
            )
            for rows, shown in ((impressions, 1), (positives, 0))
        ]
    ).sort("t").write_parquet(folder / "outcomes.parquet")
    pl.DataFrame(
        {
            "user": requests.users,
            "item": requests.items,
            "topic": topics(requests.items),
            "t": requests.times_us,
        }
    ).write_parquet(folder / "requests.parquet")


def run_ours(log_folder: Path, out: Path) -> dict[str, float]:
    app = declaration()
    started = time.perf_counter()
    with SqliteLog(log_folder, log_schemas(app), read_only=True) as log:
        history = History.read(app, log)
    requests = history.impression_requests()
    encoding = history.fit_encoding(requests)
    warm = requests.take(np.arange(1000))  # compiles the kernels outside the clock
    history.features(warm, encoding)
    (last,) = history.plan.histories.values()
    history.last(last, warm)
    resolved = time.perf_counter()
    cpu = time.process_time()
    matrix = history.features(requests, encoding)
    recent = history.last(last, requests)
    seconds = {
        "resolve_s": resolved - started,
        "features_s": time.perf_counter() - resolved,
        "features_cpu_s": time.process_time() - cpu,
    }
    np.savez(out, matrix=matrix, last=recent.astype(np.int32))
    return seconds


def run_engine(engine: str, folder: Path) -> dict[str, float]:
    out = folder / f"{engine}.npz"
    if engine == "ours":
        figures = run_ours(folder / "log", out)
    elif engine == "duckdb":
        from peers import point_in_time_duckdb

        figures = point_in_time_duckdb.run(folder, out)
    else:
        from peers import point_in_time_polars

        figures = point_in_time_polars.run(folder, out)
    return figures | {"peak_gb": peak_kb() / 2**20}


def peak_kb() -> int:
    """Return this process's own peak; `ru_maxrss` would carry its parent's over."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--requests", type=int, default=500_000)
    parser.add_argument("--engine", help="(the benchmark starts itself with this)")
    parser.add_argument("--folder", type=Path, help="(likewise)")
    arguments = parser.parse_args()
    if arguments.engine:
        print(json.dumps(run_engine(arguments.engine, arguments.folder)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        started = time.perf_counter()
        write_log(folder / "log", arguments.events, arguments.requests)
        imported = time.perf_counter()
        print(f"imported {arguments.events:,} rows into the log in {imported - started:.1f} s", flush=True)
        write_tables(folder / "log", folder)
        print("| engine | wall s | CPU s | peak GB |\n| --- | --- | --- | --- |")
        for engine in ("ours", "duckdb", "polars"):
            command = [sys.executable, __file__, "--engine", engine, "--folder", str(folder)]
            finished = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            figures = json.loads(finished.stdout.splitlines()[-1])
            print(
                f"| {engine} | {figures['features_s']:.1f} | {figures['features_cpu_s']:.1f} | "
                f"{figures['peak_gb']:.2f} |",
                flush=True,
            )
            if engine == "ours":
                resolve_s = figures["resolve_s"]
        print(f"ours reads and resolves the log first (topics, labels, numbering): {resolve_s:.1f} s")
        compare(folder)


def compare(folder: Path) -> None:
    ours = np.load(folder / "ours.npz")
    for peer in ("duckdb", "polars"):
        theirs = np.load(folder / f"{peer}.npz")
        different = sum(
            int(np.sum(ours[part].view(np.int32) != theirs[part].view(np.int32)))
            for part in ("matrix", "last")
        )
        print(f"{peer}: {different} of {ours['matrix'].size + ours['last'].size:,} values differ in any bit")
        if different:
            raise SystemExit(1)


if __name__ == "__main__":
    main()
