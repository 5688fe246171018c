"""Figure 1: the whole funnel over HTTP, stage by stage, against the kernels that it cannot do without."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from serving.app import P99_MS
from serving.bench import Bench, ms
from serving.driving import Driven, highest_rate, our_requests, steady
from serving.hosting import Memory, our_server, scratch

TITLE = "The whole funnel"
MINUTES = 6.0
LIMIT_IN_PROCESS, LIMIT_OVER_HTTP = 1.3, 1.6
_QUIET_RPS, _QUIET_S, _LOADED_S = 20.0, 15.0, 30.0


def show(bench: Bench) -> None:
    """Measure and print."""
    built = bench.built()
    with scratch(built) as data:
        alone = _in_process(data)
    with our_server(built) as (hosted, _):
        at_start = hosted.memory()
        requests = our_requests(built, hosted)
        quiet = steady(hosted, requests, _QUIET_RPS, _QUIET_S)
        best = highest_rate(hosted, requests, P99_MS, start=40)
        narrowed = highest_rate(hosted, requests, P99_MS, start=best.rate if best else 20, may_narrow=True)
        rate = 0.5 * best.rate if best is not None else _QUIET_RPS
        loaded = steady(hosted, requests, rate, _LOADED_S, events_per_request=0.2)
        at_end, stages = hosted.memory(), _stage_means(hosted.get("/metrics"))
    kernels_ms = alone["search"] + alone["predict"]
    in_process, over_http = alone["whole"] / kernels_ms, quiet.tally.quantile(0.5) / kernels_ms
    paused_ms = alone["search after a pause"] + alone["predict after a pause"]
    tally = loaded.tally
    bench.table(
        f"1. {TITLE}: {built.num_items:,} clips, {alone['num_ranked']:.0f} candidates ranked on average",
        ("", "ours", "limit"),
        [
            ("p50 in process", ms(alone["whole"]), ""),
            ("  of it search of the index", ms(alone["search"]), ""),
            ("  of it predict of the trees", ms(alone["predict"]), ""),
            ("whole / (search + predict), in process", f"{in_process:.2f}", LIMIT_IN_PROCESS),
            ("whole / (search + predict), over HTTP", f"{over_http:.2f}", LIMIT_OVER_HTTP),
            (f"p50 over HTTP at {_QUIET_RPS:g} rps", ms(quiet.tally.quantile(0.5)), ""),
            ("search + predict, each after a pause of 50 ms", ms(paused_ms), ""),
            (
                "  whole / these, in process after a pause",
                f"{alone['whole after a pause'] / paused_ms:.2f}",
                "",
            ),
            ("  whole / these, over HTTP", f"{quiet.tally.quantile(0.5) / paused_ms:.2f}", ""),
            (f"highest rate with p99 <= {P99_MS:g} ms, all candidates ranked", _rps(best), ""),
            ("  and when it may narrow", _narrow(narrowed), ""),
            (f"p50 at half of it ({rate:.0f} rps, and a fifth as many events)", ms(tally.quantile(0.5)), ""),
            ("  p99", ms(tally.quantile(0.99)), ms(P99_MS)),
            ("  p99.9", ms(tally.quantile(0.999)), ""),
            ("  degraded", f"{tally.share_degraded():.2%}", ""),
            ("  candidates at most", f"{loaded.width:,.0f}", ""),
            ("  without an answer", f"{tally.share_failed():.2%}", "0.00%"),
            ("CPU of the server for a request", ms(loaded.cpu_ms), ""),
            ("requests a second of one core", f"{1000 / loaded.cpu_ms:,.0f} rps", ""),
            ("memory, ready", _megabytes(at_start), ""),
            ("memory, after the load", _megabytes(at_end), ""),
            ("recall@100 of the index", f"{alone['recall']:.3f}", ""),
        ],
    )
    bench.say_if_late(quiet, loaded)
    bench.table(
        "   Time in each stage, by the server's own count", ("stage", "mean"),
        [(stage, ms(mean)) for stage, mean in sorted(stages.items(), key=lambda one: -one[1])],
    )  # fmt: skip


def _in_process(data: Path) -> dict[str, float]:
    """Run in a process of its own, on one thread, and let its memory go again."""
    script = Path(__file__).with_name("in_process.py")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    ran = subprocess.run(
        [sys.executable, str(script), "--data", str(data)],
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
    )
    found: dict[str, float] = json.loads(ran.stdout)
    return found


def _stage_means(metrics: str) -> dict[str, float]:
    """Return the mean milliseconds of each stage of the surface."""
    found = re.findall(r"stage_milliseconds_(sum|count)\{([^}]*)\} (\S+)", metrics)
    sums: dict[str, dict[str, float]] = {"sum": {}, "count": {}}
    for part, labels, value in found:
        stage = re.search(r'stage="([^"]+)"', labels)
        assert stage is not None
        sums[part][stage[1]] = sums[part].get(stage[1], 0.0) + float(value)
    return {stage: total / sums["count"][stage] for stage, total in sums["sum"].items() if total}


def _rps(driven: Driven | None) -> str:
    return "none" if driven is None else f"{driven.rate:,.0f} rps"


def _narrow(driven: Driven | None) -> str:
    return _rps(driven) + (f", {driven.width:,.0f} candidates at most" if driven else "")


def _megabytes(memory: Memory) -> str:
    return f"{memory.pss_mb:,.0f} MB PSS, {memory.rss_mb:,.0f} MB RSS"
