"""How a load report looks on the terminal: a table of latencies, a histogram, and what to know besides."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING

from shortlist.cli.console import console, plain, say, show, table
from shortlist.load.amounts import ms_text
from shortlist.load.histogram import Histogram
from shortlist.load.report import Report, Run, Spread

if TYPE_CHECKING:
    from rich.table import Table

_BAR = 40
_EDGES = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0)


def print_run(run: Run, release: str) -> None:
    """Print one run: latencies, their histogram, fates, and what the server spent."""
    show(f"{run.rate_rps:,.4g} rps for {run.duration_s:g} s, release {release[:12]}", _latencies(run))
    if run.requests.answered.num:
        console().print(histogram_table(run.requests.latencies))
    say(*_facts(run))


def print_steps(report: Report) -> None:
    """Print what a search tried, in order, and what it found."""
    shown = table(">rps", ">p50 ms", ">p99 ms", ">not 200", ">degraded", ">generator late ms")
    for run in report.runs:
        fate = run.requests
        cells = [_ms(fate.answered.p50_ms), _ms(fate.answered.p99_ms), f"{fate.share_failed:.2%}"]
        shown.add_row(f"{run.rate_rps:,.4g}", *cells, f"{fate.share_degraded:.2%}", _ms(run.lateness.p99_ms))
    show("Every run, in order", shown)
    if report.found_rps:
        say(f"Highest rate with {plain(' and '.join(report.sought))}: [green]{report.found_rps:,.0f} rps[/]")
    else:
        say(f"[yellow]No rate was found with {plain(' and '.join(report.sought))}.[/]")


def histogram_table(latencies: Histogram) -> Table:
    """Return the histogram in steps of 1, 1.5, 2, 3, 5, 7 and 10, with the share at or below each."""
    edges = [1e-3]
    while edges[-1] < latencies.max_ms:
        decade, place = divmod(len(edges), len(_EDGES) - 1)
        edges.append(10.0 ** (decade - 3) * _EDGES[place])
    counts = [0] * len(edges)
    for value_ms, count in latencies:
        counts[bisect_left(edges, min(value_ms, latencies.max_ms))] += count
    shown = table(">up to ms", ">requests", ">share so far", "")
    so_far, most = 0, max(counts)
    for edge, count in zip(edges, counts, strict=True):
        so_far += count
        if so_far and (count or so_far < latencies.num):
            bar = "█" * round(_BAR * count / most) or ("▏" if count else "")
            shown.add_row(f"{edge:g}", f"{count:,}", f"{so_far / latencies.num:.3%}", bar)
    return shown


def _latencies(run: Run) -> Table:
    shown = table("", ">requests", ">p50 ms", ">p90 ms", ">p99 ms", ">p99.9 ms", ">max ms")
    rows: Sequence[tuple[str, Spread]] = [
        ("answered", run.requests.answered),
        ("refused", run.requests.refused),
        ("events", run.events.answered),
        ("generator late by", run.lateness),
    ]
    for name, spread in rows:
        if spread.num:
            values = (spread.p50_ms, spread.p90_ms, spread.p99_ms, spread.p99_9_ms, spread.max_ms)
            shown.add_row(name, f"{spread.num:,}", *map(_ms, values))
    return shown


def _facts(run: Run) -> list[str]:
    fate, cost = run.requests, run.server
    fates = {f"status {status}": count for status, count in fate.statuses.items()} | fate.failures
    lines = [
        f"achieved {run.achieved_rps:,.1f} rps, goodput {run.goodput_rps:,.1f} rps (within the budget); "
        + (", ".join(f"{plain(name)}: {count:,}" for name, count in fates.items()) or "nothing was due"),
    ]
    if fate.degraded:
        why = ", ".join(f"{plain(reason)}: {count:,}" for reason, count in fate.reasons.items())
        lines.append(f"[yellow]degraded {fate.share_degraded:.2%}[/]: {why}")
    if run.num_waited:
        lines.append(f"{run.num_waited:,} found no free connection and waited for one; that time counts")
    if cost.cpu_ms_per_request is not None and cost.resident_bytes is not None:
        lines.append(
            f"server: {cost.cpu_ms_per_request:.2f} ms of processor a request, "
            f"{cost.resident_bytes / 1e6:,.0f} MB of memory"
        )
    num_sent = max(cost.num_requests + cost.num_events, 1)
    lines.append(f"generator: {1e6 * run.generator_cpu_s / num_sent:.0f} us of processor a request")
    if run.is_generator_late:
        late = f"late by {_ms(run.lateness.p99_ms)} ms at p99"
        lines.append(f"[yellow]The generator itself was {late}: these latencies are partly its own.[/]")
    return lines


def _ms(value_ms: float | None) -> str:
    return "" if value_ms is None else ms_text(value_ms)
