"""Figure 3: a tenth of the catalogue, all of it, four times as much."""

from __future__ import annotations

from serving.bench import Bench, ms
from serving.driving import our_requests, steady
from serving.hosting import our_server

TITLE = "Growth"
MINUTES = 12.0
_SHARES = (0.1, 1.0, 4.0)
_RATE_RPS, _SECONDS = 20.0, 20.0


def show(bench: Bench) -> None:
    """Measure and print."""
    rows, runs = [], []
    for share in _SHARES:
        built = bench.built(int(share * bench.num_items))
        with our_server(built) as (hosted, _):
            driven = steady(hosted, our_requests(built, hosted), _RATE_RPS, _SECONDS, events_per_request=0.2)
            memory = hosted.memory()
        tally = driven.tally
        runs.append(driven)
        rows.append(
            (
                f"{built.num_items:,}",
                ms(tally.quantile(0.5)),
                ms(tally.quantile(0.99)),
                f"{tally.share_degraded():.1%}",
                f"{driven.width:,.0f}",
                ms(driven.cpu_ms),
                f"{memory.pss_mb:,.0f} MB",
                f"{hosted.ready_s:.0f} s",
            )
        )
    bench.table(
        f"3. {TITLE}: {_RATE_RPS:g} rps, and a fifth as many events",
        (
            "clips",
            "p50",
            "p99",
            "degraded",
            "candidates at most",
            "CPU for a request",
            "memory (PSS)",
            "ready in",
        ),
        rows,
    )
    bench.say_if_late(*runs)
