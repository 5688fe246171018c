"""`shortlist load`: what the server does under load, and whether that is good enough."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shortlist.cli.console import Steps, complain, plain, say
from shortlist.cli.errors import UsageError
from shortlist.cli.load_source import Source, server_at, surface_name, told_by, with_release
from shortlist.cli.project import DATA, DECLARATION, Data, Declaration, Project

if TYPE_CHECKING:
    from shortlist.load.report import Report

_FIXED, _STEP = "30s", "8s"
_WHOLE = "degraded=1%"

EXAMPLES = (
    "shortlist load --rate 200 --for 30s",
    "shortlist load --find --prove",
    "shortlist load --url http://127.0.0.1:8000 --preview --require p99=10ms@200rps --require errors=0.1%",
)


def run(
    url: Annotated[str, typer.Option(metavar="URL", help="A running server. (default: one is started)")] = "",
    rate: Annotated[str, typer.Option(metavar="RATE", help="Requests a second. (default: 100)")] = "",
    duration: Annotated[
        str, typer.Option("--for", metavar="TIME", help="How long. (default: 30s; 8s a step of --find)")
    ] = "",
    warm_up: Annotated[str, typer.Option(metavar="TIME", help="Before anything is counted.")] = "3s",
    find: Annotated[bool, typer.Option("--find", help="Search for the highest rate within --slo.")] = False,
    slo: Annotated[
        list[str] | None,
        typer.Option(metavar="LIMIT", help="What --find holds. (default: the surface's p99, degraded=1%)"),
    ] = None,
    require: Annotated[
        list[str] | None, typer.Option(metavar="LIMIT", help="Exit with status 1 where this is not met.")
    ] = None,
    surface: Annotated[str, typer.Option(help="Which surface is asked. (default: the first)")] = "",
    users: Annotated[
        Path | None, typer.Option(metavar="FILE", help="User ids, one a line. (default: the log's newest)")
    ] = None,
    unknown: Annotated[str, typer.Option(metavar="SHARE", help="Requests of people never seen.")] = "5%",
    events: Annotated[float, typer.Option(min=0, help="Events sent beside each request.")] = 0.0,
    preview: Annotated[bool, typer.Option("--preview", help="Ask without leaving evidence.")] = False,
    constant: Annotated[bool, typer.Option("--constant", help="Even gaps, not a Poisson process.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the arrivals and of who is asked for.")] = 0,
    timeout: Annotated[str, typer.Option(metavar="TIME", help="When a request is given up.")] = "2s",
    connections: Annotated[int, typer.Option(min=1, max=4096, help="Requests under way at once.")] = 256,
    output: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the report.")] = None,
    prove: Annotated[bool, typer.Option("--prove", help="Keep the report beside the release.")] = False,
    app: Declaration = DECLARATION,
    data: Data = DATA,
) -> None:
    """Drive the server on a schedule and print how long answers took, what failed, and what it cost.

    The load is open: requests leave when they are due, whether or not earlier ones are back, and a latency
    counts from that moment, so a stall of the server shows in full. How late the generator itself was is
    printed too. Without --url the project's server is started on a copy of its data, so that no impression
    of the test reaches the log; a server named with --url logs them unless --preview is given.

    A limit is p50, p90, p99, p99.9 or max in ms, or errors or degraded in %, as in [bold]p99=10ms@200rps[/];
    a request that was refused or failed counts as one that never came.
    """
    from shortlist.load.amounts import MILLISECONDS, RATE, SHARE, amount, positive
    from shortlist.load.measure import Load
    from shortlist.load.requirement import Requirement
    from shortlist.load.session import Asked, run_session

    project = Project.load(app, data)
    name = surface_name(project, surface)
    slo_p99_ms = project.app.surfaces[name].slo.p99_ms
    if slo and not find:
        raise UsageError("--slo", expected="--find beside it", received="none", mend="Or use --require.")
    load = Load(
        duration_s=positive("--for", duration or (_STEP if find else _FIXED), MILLISECONDS) / 1000,
        warm_up_s=amount("--warm-up", warm_up, MILLISECONDS) / 1000,
        process="constant" if constant else "poisson",
        events_per_request=events,
        timeout_s=positive("--timeout", timeout, MILLISECONDS) / 1000,
        num_connections=connections,
        seed=seed,
    )
    asked = Asked(
        rate_rps=positive("--rate", rate, RATE) if rate else None,
        required=tuple(map(Requirement.parse, require or ())),
        sought=tuple(map(Requirement.parse, slo or (f"p99={slo_p99_ms:g}ms", _WHOLE))) if find else (),
    )
    source = Source.of(project, users, amount("--unknown", unknown, SHARE), needs_events=events > 0)
    with Steps() as steps, server_at(project, app, url, steps) as address:
        requests = source.requests(address, name, is_preview=preview, seed=seed)
        report = run_session(address, name, slo_p99_ms, requests, load, asked, told_by(steps))
        steps.end()
    report = with_release(report, project)
    print_report(report, is_search=find)
    if output is not None:
        output.write_bytes(report.encode())
        say(f"Wrote {plain(output)}.")
    if prove:
        project.registry().prove(report.release, report.encode())
        short = report.release[:12]
        say(f"Kept beside release {short}: [bold]shortlist releases show {short}[/]")
    for verdict in report.verdicts:
        if verdict.is_met:
            say(f"[green]met[/]      {plain(verdict.requirement)}: {plain(verdict.found)}")
    missed = [one for one in report.verdicts if not one.is_met]
    for one in missed:
        complain(f"{one.requirement} is not met: {one.found}")
    if missed:
        raise typer.Exit(1)


def print_report(report: Report, *, is_search: bool) -> None:
    """Print fixed runs in full; of a search a line a step, and the last run at the rate that was found."""
    from shortlist.cli.load_sheet import print_run, print_steps

    if not is_search:
        for run_ in report.runs:
            print_run(run_, report.release)
        return
    print_steps(report)
    at_best = [run_ for run_ in report.runs if run_.rate_rps == report.found_rps]
    for run_ in at_best[-1:]:
        print_run(run_, report.release)
