"""Figure 4: ten times what it bears, for a minute, and then as before."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from serving.app import P99_MS
from serving.bench import Bench, counted, ms
from serving.driving import highest_rate, on_schedule, our_requests
from serving.hosting import our_server
from shortlist.load.arrivals import Schedule, arrivals
from shortlist.load.tally import Tally

TITLE = "Ten times the capacity for a minute"
MINUTES = 4.0
_TIMES, _NORMAL_SHARE = 10.0, 0.5
_BEFORE_S, _OVER_S, _AFTER_S = 10, 60, 20
_CONNECTIONS = 1000


def show(bench: Bench) -> None:
    """Measure and print."""
    built = bench.built()
    with our_server(built) as (hosted, _):
        requests = our_requests(built, hosted, with_events=False)
        best = highest_rate(hosted, requests, P99_MS, start=40, may_narrow=True)
        if best is None:
            bench.console.print(
                f"4. {TITLE}: no rate keeps p99 <= {P99_MS:g} ms here, so there is no capacity"
            )
            return
        normal = _NORMAL_SHARE * best.rate
        due_s = _surge(normal, _TIMES * best.rate)
        due = Schedule(due_s, np.zeros(len(due_s), bool))
        driven = on_schedule(hosted, requests, due, best.rate, num_connections=_CONNECTIONS)
    seconds = driven.outcome.seconds
    before, over = _merged(seconds[1:_BEFORE_S]), _merged(seconds[_BEFORE_S : _BEFORE_S + _OVER_S])
    after = seconds[_BEFORE_S + _OVER_S :]
    goodput = over.answered.num_within(P99_MS) / _OVER_S
    bench.table(
        f"4. {TITLE}: {built.num_items:,} clips, {best.rate:,.0f} rps is the capacity",
        ("", "before", "overload", "limit"),
        [
            ("due", f"{normal:,.0f} rps", f"{_TIMES * best.rate:,.0f} rps", ""),
            ("answered within the budget", f"{before.answered.num_within(P99_MS) / (_BEFORE_S - 1):,.0f} rps",
             f"{goodput:,.0f} rps ({goodput / best.rate:.0%} of capacity)", ""),
            ("p99 of the admitted", ms(before.answered.quantile(0.99)), ms(over.answered.quantile(0.99)),
             ms(P99_MS)),
            ("p50 / p99 of the refused", "-", f"{ms(over.refused.quantile(0.5))} / "
             f"{ms(over.refused.quantile(0.99))}" if over.refused.num else "-", ""),
            ("statuses", counted(before.statuses), counted(over.statuses), ""),
            ("without an answer", counted(before.failures), counted(over.failures), "-"),
            ("candidates at most, at the end", "-", f"{driven.width:,.0f}", ""),
            ("degraded answers", f"{before.share_degraded():.1%}", f"{over.share_degraded():.1%}", ""),
            ("as before again after", "-", _recovered(after), ""),
        ],
    )  # fmt: skip
    bench.say_if_late(driven)


def _surge(normal: float, over: float) -> np.ndarray:
    """Return arrivals in seconds: a while as usual, a minute too many, and as usual again."""
    parts = [
        arrivals(normal, _BEFORE_S, "poisson", 1),
        _BEFORE_S + arrivals(over, _OVER_S, "poisson", 2),
        _BEFORE_S + _OVER_S + arrivals(normal, _AFTER_S, "poisson", 3),
    ]
    return np.concatenate(parts)


def _merged(tallies: Sequence[Tally]) -> Tally:
    merged = Tally()
    for tally in tallies:
        merged.merge(tally)
    return merged


def _recovered(seconds: Sequence[Tally]) -> str:
    """Say after how many seconds all requests of a second, and of those after it, are answered in time."""
    in_time = [tally.quantile(0.99) <= P99_MS for tally in seconds if tally.num]
    late = [number for number, is_good in enumerate(in_time) if not is_good]
    after_s = late[-1] + 1 if late else 0
    return f"{after_s} s" if after_s < len(in_time) else f"not within {len(in_time)} s"
