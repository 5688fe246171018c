"""`shortlist backtest`: how every model, and the whole funnel, would have done on the newest history."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shortlist.cli.console import Steps, console, plain, say
from shortlist.cli.project import DATA, DECLARATION, Data, Declaration, Project
from shortlist.cli.train import print_comparisons

if TYPE_CHECKING:
    from shortlist.offline.replay.report import FunnelReport

EXAMPLES = (
    "shortlist backtest --json backtest.json",
    "shortlist backtest --folds 3 --requests 500",
    "shortlist backtest --requests 0",
)

_MOST_TESTED, _MOST_TESTED_IN_ALL = 0.2, 0.6


def run(
    output: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the figures there.")
    ] = None,
    folds: Annotated[
        int, typer.Option(min=1, help="Test periods, one after the other, each with all the past before it.")
    ] = 1,
    requests: Annotated[
        int,
        typer.Option(
            min=0, help="Moments of a test period that the funnel answers, at most; 0 compares models only."
        ),
    ] = 2000,
    app: Declaration = DECLARATION,
    data: Data = DATA,
) -> None:
    """Judge every rung of the ladder, and the whole funnel, on a part of the history none was fitted on.

    [bold]The models[/]: each rung and plain popularity, fitted before the test period and judged on its
    trials: ranking metrics, and what the choice is worth.

    [bold]The funnel[/]: the release that training would have published when the test period began answers
    at moments at which somebody was about to choose something new, by the very stages that serve, from what
    the log held just before. It tells how much of what people chose each source and all of them found
    (recall), what each filter costs, how much the ranker lifts it over the sources' order, and what the
    re-rankers take away again.

    Every figure comes with its 95 % interval over resampled users. Nothing is published.
    """
    from shortlist.offline.backtest import backtest

    project = Project.load(app, data)
    with project.open_log() as log, Steps() as steps:
        report = backtest(
            project.app, log, progress=steps, num_folds=folds, test=_test_share(folds), num_requests=requests
        )
    for fold in report.folds:
        say(f"Learned from {fold.split.train}, stopped by {fold.split.valid}, judged on {fold.split.test}.")
        print_comparisons(fold.comparisons)
        for funnel in fold.funnels:
            print_funnel(funnel)
    if report.sampling is not None:
        say(f"[dim]Negatives: {plain(report.sampling)}.[/]")
    if output is not None:
        output.write_text(json.dumps(report.as_dict(), indent=2) + "\n", encoding="utf-8")
        say(f"Wrote {plain(output)}.")


def print_funnel(one: FunnelReport) -> None:
    """Print where a surface's funnel found, lost and put what people chose."""
    from shortlist.offline.replay.tables import funnel_notes, funnel_tables, warnings

    for table in funnel_tables(one):
        console().print(table)
    say(*(f"[yellow]{plain(warning)}[/]" for warning in warnings(one)))
    say(*(f"[dim]{plain(note)}[/]" for note in funnel_notes(one)), "")


def _test_share(num_folds: int) -> float:
    """Return the share of one test period: together they leave the oldest part to learn from."""
    return min(_MOST_TESTED, _MOST_TESTED_IN_ALL / num_folds)
