"""Figure 5: a hundred promotions and a hundred rollbacks while requests are answered."""

from __future__ import annotations

import json
import time
from multiprocessing import get_context
from multiprocessing.queues import Queue
from pathlib import Path
from urllib.request import urlopen

import numpy as np

from serving.bench import Bench, counted, ms
from serving.driving import our_requests, steady
from serving.hosting import our_server
from serving.twins import twin
from shortlist.load.histogram import Histogram
from shortlist.load.tally import Tally
from shortlist.releases import Registry

TITLE = "Hot swaps"
MINUTES = 8.0
_NUM_SWAPS = 100
_RATE_RPS, _QUIET_S, _DRIVE_S = 20.0, 40.0, 15.0
_GIVE_UP_S = 60.0


def show(bench: Bench) -> None:
    """Measure and print."""
    built = bench.built()
    with our_server(built) as (hosted, data):
        other = twin(Registry(data / "releases"), "swaps")
        requests = our_requests(built, hosted)
        quiet = steady(hosted, requests, _RATE_RPS, _QUIET_S)
        at_start = hosted.memory()
        spawn = get_context("spawn")
        told: Queue[list[float]] = spawn.Queue()
        mover = spawn.Process(target=_swap, args=(data / "releases", other, hosted.url, told))
        mover.start()
        swapped, runs = Tally(), [quiet]
        while mover.is_alive():
            driven = steady(hosted, requests, _RATE_RPS, _DRIVE_S, warm_up_s=0.0)
            swapped.merge(driven.tally)
            runs.append(driven)
        mover.join()
        assert mover.exitcode == 0, "the swaps ended early"
        times_s = told.get()
        at_end = hosted.memory()
    bench.table(
        f"5. {TITLE}: {built.num_items:,} clips, {_RATE_RPS:g} rps, {len(times_s)} swaps",
        ("", "no swap", "swaps", "limit"),
        [
            ("requests", f"{quiet.tally.num:,}", f"{swapped.num:,}", ""),
            ("not answered with 200", quiet.tally.num_failed, swapped.num_failed, 0),
            ("why", counted(_bad(quiet.tally)), counted(_bad(swapped)), "-"),
            ("p50", *_beside(quiet.tally.answered, swapped.answered, 0.5), ""),
            ("p99", *_beside(quiet.tally.answered, swapped.answered, 0.99), ""),
            ("slowest", ms(quiet.tally.answered.max_ms), ms(swapped.answered.max_ms), ""),
            ("degraded", f"{quiet.tally.share_degraded():.2%}", f"{swapped.share_degraded():.2%}", ""),
            ("until it serves", "-",
             f"{np.median(times_s):.2f} s median, {max(times_s):.2f} s at most", ""),
            ("memory (PSS)", f"{at_start.pss_mb:,.0f} MB", f"{at_end.pss_mb:,.0f} MB", ""),
        ],
    )  # fmt: skip
    bench.say_if_late(*runs)


def _swap(releases: Path, other: str, url: str, told: Queue[list[float]]) -> None:
    """Promote the other release and roll back, a hundred times each, waiting until each one serves."""
    registry = Registry(releases)
    times_s = []
    for _ in range(_NUM_SWAPS):
        for move in (lambda: registry.promote(other), registry.rollback):
            wanted = move()
            moved_s = time.perf_counter()
            while _serving(url) != wanted:
                assert time.perf_counter() - moved_s < _GIVE_UP_S, "the server does not follow"
                time.sleep(0.02)
            times_s.append(time.perf_counter() - moved_s)
    told.put(times_s)


def _serving(url: str) -> str:
    with urlopen(f"{url}/readyz") as answer:
        return str(json.loads(answer.read())["release"])


def _bad(tally: Tally) -> dict[object, int]:
    statuses = {status: count for status, count in tally.statuses.items() if status != 200}
    return {**statuses, **tally.failures}


def _beside(one: Histogram, other: Histogram, q: float) -> tuple[str, str]:
    before, after = one.quantile(q), other.quantile(q)
    return ms(before), f"{ms(after)} ({after / before:.2f} times)"
