"""A report in a few lines of Markdown, for the card of the release it proves."""

from __future__ import annotations

from collections.abc import Sequence

from shortlist.load.amounts import ms_text
from shortlist.load.report import Report, Run, Spread

_HEADS = ("rps", "p50 ms", "p99 ms", "p99.9 ms", "max ms", "not 200", "degraded", "CPU ms")


def load_card(report: Report) -> str:
    """Render a report as a section of Markdown."""
    machine = report.machine
    shared = "with the generator on the same machine" if machine.is_shared else "the generator elsewhere"
    catalogue = ", ".join(f"{count:,} {what}" for what, count in report.catalogue.items())
    recall = [f"{name} {value:.4g}" for name, value in _figures(report.index)]
    memory = [run.server.resident_bytes for run in report.runs if run.server.resident_bytes is not None]
    lines = [
        f"## Under load, {report.made_at:%Y-%m-%d %H:%M} UTC",
        f"Surface `{report.surface}`, budget p99 {report.slo_p99_ms:g} ms; {machine.cores} cores, {shared}.",
        *([f"Catalogue: {catalogue}."] if catalogue else []),
        *([f"Index: {', '.join(recall)}."] if recall else []),
        *([f"Memory of the server: {max(memory) / 1e6:,.0f} MB."] if memory else []),
        *([_found(report)] if report.found_rps is not None else []),
        _table([_cells(run) for run in shown_runs(report)]),
        *(
            f"- {one.requirement}: {'met' if one.is_met else 'NOT met'}, {one.found}"
            for one in report.verdicts
        ),
    ]
    return "\n\n".join(line for line in lines if line) + "\n"


def shown_runs(report: Report) -> Sequence[Run]:
    """Return the last run at each rate, by the rate: a search tries a rate more than once."""
    by_rate = {run.rate_rps: run for run in report.runs}
    return [by_rate[rate] for rate in sorted(by_rate)]


def spread_cells(spread: Spread) -> list[str]:
    """Return p50, p99, p99.9 and the maximum as text."""
    values = (spread.p50_ms, spread.p99_ms, spread.p99_9_ms, spread.max_ms)
    return ["" if value is None else ms_text(value) for value in values]


def _found(report: Report) -> str:
    return f"Highest rate with {' and '.join(report.sought)}: {report.found_rps:,.0f} requests a second."


def _cells(run: Run) -> list[str]:
    fate, cpu_ms = run.requests, run.server.cpu_ms_per_request
    late = " (generator late)" if run.is_generator_late else ""
    shares = [f"{fate.share_failed:.2%}", f"{fate.share_degraded:.2%}"]
    cpu = "" if cpu_ms is None else ms_text(cpu_ms)
    return [f"{run.rate_rps:,.4g}{late}", *spread_cells(fate.answered), *shares, cpu]


def _table(rows: Sequence[Sequence[str]]) -> str:
    lines = [_HEADS, ["---"] * len(_HEADS), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) if rows else ""


def _figures(index: object, prefix: str = "") -> list[tuple[str, float]]:
    """Return the numbers of nested JSON objects whose name says recall."""
    if not isinstance(index, dict):
        return []
    found: list[tuple[str, float]] = []
    for name, value in index.items():
        path = f"{prefix}{name}"
        if "recall" in path and isinstance(value, (int, float)) and not isinstance(value, bool):
            found.append((path, float(value)))
        else:
            found += _figures(value, f"{path} ")
    return found
