"""`shortlist backtest`: how every model would have done on the newest part of the history."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from shortlist.cli.console import Steps, plain, say
from shortlist.cli.project import DATA, DECLARATION, Data, Declaration, Project
from shortlist.cli.train import print_comparisons

EXAMPLES = ("shortlist backtest --json backtest.json",)

_MOST_TESTED, _MOST_TESTED_IN_ALL = 0.2, 0.6


def run(
    output: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the figures there.")
    ] = None,
    folds: Annotated[
        int, typer.Option(min=1, help="Test periods, one after the other, each with all the past before it.")
    ] = 1,
    app: Declaration = DECLARATION,
    data: Data = DATA,
) -> None:
    """Compare every rung of the ladder, and plain popularity, on a part of the history none was fitted on.

    Ranking metrics and what the choice is worth, each with its interval. Nothing is published.
    """
    from shortlist.offline.backtest import backtest

    project = Project.load(app, data)
    with project.open_log() as log, Steps() as steps:
        report = backtest(project.app, log, progress=steps, num_folds=folds, test=_test_share(folds))
    for fold in report.folds:
        say(f"Learned from {fold.split.train}, stopped by {fold.split.valid}, judged on {fold.split.test}.")
        print_comparisons(fold.comparisons)
    if report.sampling is not None:
        say(f"[dim]Negatives: {plain(report.sampling)}.[/]")
    if output is not None:
        output.write_text(json.dumps(report.as_dict(), indent=2) + "\n", encoding="utf-8")
        say(f"Wrote {plain(output)}.")


def _test_share(num_folds: int) -> float:
    """Return the share of one test period: together they leave the oldest part to learn from."""
    return min(_MOST_TESTED, _MOST_TESTED_IN_ALL / num_folds)
