"""`shortlist ladder`: what every rung and every source is worth, and what it costs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shortlist.cli.console import Steps, console, plain, say
from shortlist.cli.project import DATA, DECLARATION, Data, Declaration, Project

if TYPE_CHECKING:
    from shortlist.offline.ladder.sheet import Sheet

EXAMPLES = (
    "shortlist ladder",
    "shortlist ladder --no-promote --markdown sheet.md --json sheet.json",
    "shortlist ladder --no-promote --slices",
)


def run(
    promote: Annotated[bool, typer.Option(help="Let the new release serve at once.")] = True,
    output: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the sheet there, as JSON.")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", metavar="FILE", help="And there, as Markdown.")
    ] = None,
    requests: Annotated[
        int,
        typer.Option(
            min=0, help="Moments of the test period at which sources are judged, at most; 0 judges none."
        ),
    ] = 1000,
    slices: Annotated[
        bool,
        typer.Option(
            "--slices",
            help="Also judge the rungs on new and heavy users, new items, each value of an attribute.",
        ),
    ] = False,
    app: Declaration = DECLARATION,
    data: Data = DATA,
) -> None:
    """Fit every rung and every source, weigh what each is worth against what it costs, and publish a release.

    It is a training that also measures. For each rung of a ladder: its quality on held-out time, the seconds
    to fit it, the memory and the disk it takes, and the p99 of scoring one request. For each source: the
    share of what people then chose that it found, and the same costs.

    The simplest rung that no other beats by more than noise is promoted, [bold]within the budget[/]: features
    and ranker have 30 % of the surface's p99, and what the features leave of it is parted among the labels.
    A rung over its part cannot be chosen, and the sheet says so; where all are, the fastest serves, with a
    warning.

    The sheet is printed, and is part of the release's model card: shortlist releases show. Seconds are of
    this machine, so two runs may choose differently where a rung is near its budget; shortlist train measures
    nothing, and makes the same release every time.
    """
    from shortlist.offline.ladder.climb import climb
    from shortlist.offline.ladder.sheet import sheet_as_dict, sheet_markdown
    from shortlist.offline.replay.tables import warnings
    from shortlist.offline.sliced import slices_as_dict, slices_table

    project = Project.load(app, data)
    with project.open_log() as log, Steps() as steps:
        report = climb(
            project.app, log, project.registry(), progress=steps, promote=promote,
            num_requests=requests, is_sliced=slices,
        )  # fmt: skip
    print_sheet(report.sheet)
    for surface, sliced in report.slices.items():
        for one in sliced:
            console().print(slices_table(surface, one))
    for funnel in report.funnels:
        say(*(f"[yellow]{plain(warning)}[/]" for warning in warnings(funnel)))
    if report.sampling is not None:
        say(f"[dim]Negatives: {plain(report.sampling)}.[/]")
    if output is not None:
        figures = sheet_as_dict(report.sheet)
        figures["slices"] = {
            surface: {one.label: slices_as_dict(one) for one in sliced}
            for surface, sliced in report.slices.items()
        }
        output.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        say(f"Wrote {plain(output)}.")
    if markdown is not None:
        heading = f"# {project.app.name}: trade-offs"
        markdown.write_text(f"{heading}\n\n{sheet_markdown(report.sheet)}\n", encoding="utf-8")
        say(f"Wrote {plain(markdown)}.")
    short = report.release[:12]
    if promote:
        say(f"Release [green]{short}[/] serves. Next: [bold]shortlist serve[/]")
    else:
        say(f"Release {short} waits: [bold]shortlist releases promote {short}[/]")


def print_sheet(sheet: Sheet) -> None:
    """Print every part of a sheet, and what its columns are."""
    from shortlist.offline.ladder.sheet import legend, sheet_tables

    for table, notes in sheet_tables(sheet):
        console().print(table)
        say(*(f"[dim]{plain(note)}[/]" for note in notes))
    say(*(f"[dim]{plain(line)}[/]" for line in legend(sheet)))
