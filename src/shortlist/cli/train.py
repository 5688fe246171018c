"""`shortlist train`: from the log to a release that serves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from shortlist.cli.console import Steps, console, plain, say
from shortlist.cli.project import DATA, DECLARATION, Data, Declaration, Project

if TYPE_CHECKING:
    from shortlist.offline.ladder.compare import SurfaceComparison

EXAMPLES = ("shortlist train",)


def run(
    promote: Annotated[bool, typer.Option(help="Let the new release serve at once.")] = True,
    app: Declaration = DECLARATION,
    data: Data = DATA,
) -> None:
    """Fit every source and every rung of the ladder on the log, compare them, and publish a release.

    Features are computed as of each impression's place in the log; the newest part of the history is
    held out, and the simplest model that none beats by more than noise is chosen. The comparison is
    always printed, and is part of the release. A running server follows within a second.
    """
    from shortlist.offline.train import train

    project = Project.load(app, data)
    with project.open_log() as log, Steps() as steps:
        report = train(project.app, log, project.registry(), progress=steps, promote=promote)
    print_comparisons(report.comparisons)
    if report.sampling is not None:
        say(f"[dim]Negatives: {plain(report.sampling)}.[/]")
    if promote:
        say(f"Release [green]{report.release[:12]}[/] serves. Next: [bold]shortlist serve[/]")
    else:
        say(f"Release {report.release[:12]} waits: [bold]shortlist releases promote {report.release[:12]}[/]")


def print_comparisons(comparisons: Sequence[SurfaceComparison]) -> None:
    """Print how the rungs of every surface's ladder did."""
    from shortlist.offline.report import comparison_tables

    printed = console()
    for one in comparisons:
        for table in comparison_tables(one):
            printed.print(table)
