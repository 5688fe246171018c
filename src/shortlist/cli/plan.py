"""`shortlist plan`: from measured unit costs to machines, with every assumption printed."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shortlist.cli.console import Steps, plain, say, show, table
from shortlist.cli.load_source import Source, server_at, surface_name, told_by, with_release
from shortlist.cli.measured import measured_costs
from shortlist.cli.project import DATA, DECLARATION, Data, Declaration, Project

if TYPE_CHECKING:
    from rich.table import Table

    from shortlist.load.report import Report
    from shortlist.plan.costs import Costs
    from shortlist.plan.demand import Demand, Fleet
    from shortlist.plan.sizing import Plan, Tier

_PROBES = ((20.0, 0.0), (60.0, 0.0), (60.0, 2.0))
"""Requests a second, and events beside each."""
_PROBE_S, _PROBE_WARM_UP_S = 8.0, 2.0

EXAMPLES = (
    "shortlist plan --rps 2000",
    "shortlist plan --users 1e9 --items 1e8 --rps 100000 --events-per-request 5 --p99 50ms --memory 256GB",
)


def run(
    users: Annotated[float | None, typer.Option(help="People known. (default: those of the log)")] = None,
    items: Annotated[float | None, typer.Option(help="Items. (default: those of the log)")] = None,
    rps: Annotated[float, typer.Option(help="Requests a second at the peak.")] = 1000.0,
    events_per_request: Annotated[float, typer.Option(help="Events sent beside each request.")] = 1.0,
    p99: Annotated[str, typer.Option(metavar="TIME", help="The promise. (default: the surface's)")] = "",
    surface: Annotated[str, typer.Option(help="Which surface. (default: the first)")] = "",
    cores: Annotated[int, typer.Option(help="Cores of a machine.")] = 32,
    memory: Annotated[str, typer.Option(metavar="BYTES", help="Memory of a machine.")] = "128GB",
    disk: Annotated[str, typer.Option(metavar="BYTES", help="Disk of a machine.")] = "4TB",
    utilisation: Annotated[str, typer.Option(metavar="SHARE", help="Busy at the peak, at most.")] = "60%",
    spare: Annotated[int, typer.Option(min=0, help="Machines beyond need in every group.")] = 1,
    zones: Annotated[int, typer.Option(min=1, help="Places that fail as one; one may be gone.")] = 3,
    peak_to_mean: Annotated[float, typer.Option(help="The peak's rate over the day's mean.")] = 2.0,
    retention: Annotated[float, typer.Option(help="Days the log is kept.")] = 90.0,
    training: Annotated[float, typer.Option(help="Days a training reads.")] = 30.0,
    process_cores: Annotated[float | None, typer.Option(help="Cores one process can use.")] = None,
    measured: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A load report. (default: the release's newest, or a short run)"),
    ] = None,
    output: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the plan.")] = None,
    app: Declaration = DECLARATION,
    data: Data = DATA,
) -> None:
    """Size a deployment: machines, memory, replicas, partitions of log and state, shards of the index.

    What a request costs comes from a load report: the file named, or the newest kept beside the release that
    serves (shortlist load --prove), or a short run now against a server on a copy of the data. What a user,
    an item and a record cost is measured on the project's own log. The rest is assumed, and every figure is
    printed with where it is from. Beyond one server the plan is on paper, and says what it would need.
    """
    from shortlist.load.amounts import BYTES, MILLISECONDS, SHARE, amount, positive
    from shortlist.plan.costs import measured_by
    from shortlist.plan.demand import Demand, Fleet
    from shortlist.plan.sizing import make_plan

    project = Project.load(app, data)
    name = surface_name(project, surface)
    fleet = Fleet(
        cores=cores,
        memory_bytes=positive("--memory", memory, BYTES),
        disk_bytes=positive("--disk", disk, BYTES),
        utilisation=amount("--utilisation", utilisation, SHARE),
        spare=spare,
        zones=zones,
    )
    with Steps() as steps:
        report = _report(project, app, name, measured, steps)
        values, counts = measured_costs(project, steps)
    costs = measured_by(report).with_measured(values, f"the log in {project.data}")
    if process_cores is not None:
        costs = costs.with_measured({"process_cores": process_cores}, "--process-cores", "declared")
    demand = Demand(
        users=counts["users"] if users is None else users,
        items=counts["items"] if items is None else items,
        rps=rps,
        events_per_request=events_per_request,
        p99_ms=positive("--p99", p99, MILLISECONDS) if p99 else project.app.surfaces[name].slo.p99_ms,
        peak_to_mean=peak_to_mean,
        retention_days=retention,
        training_days=training,
    )
    made = make_plan(demand, costs, fleet)
    print_plan(demand, costs, fleet, made)
    if report.found_rps:
        busy = report.found_rps * costs.request_cpu_ms.value / 1000 / costs.process_cores.value
        say(
            f"For comparison: the load report found {report.found_rps:,.0f} rps with "
            f"{plain(' and '.join(report.sought))}, which keeps one process busy to {busy:.0%}."
        )
    if output is not None:
        figures = {"demand": asdict(demand), "fleet": asdict(fleet), "costs": asdict(costs)}
        output.write_text(json.dumps({**figures, "plan": asdict(made)}, indent=1) + "\n", encoding="utf-8")
        say(f"Wrote {plain(output)}.")


def print_plan(demand: Demand, costs: Costs, fleet: Fleet, made: Plan) -> None:
    """Print the assumptions, the machines, and what breaks first."""
    from shortlist.plan.breaks import beyond, limits

    shown = table("figure", ">value", "unit", "", "from")
    for one in costs.figures:
        colour = "yellow" if one.origin == "assumed" else "green"
        origin = f"[{colour}]{one.origin}[/]"
        shown.add_row(one.name, f"{one.value:,.4g}", one.unit, origin, plain(one.why))
    show("What it is computed from", shown)
    say(
        f"Demand: {demand.users:,.4g} users, {demand.items:,.4g} items, {demand.rps:,.4g} requests/s at the "
        f"peak with {demand.events_per_request:g} events each, p99 {demand.p99_ms:g} ms.",
        f"Reserve: processors busy to {made.utilisation:.0%} at most: {fleet.utilisation:.0%} allowed, and "
        f"the queue (M/G/1, Pollaczek-Khinchine) keeps the p99 up to {made.queue_utilisation:.0%};",
        f"  {fleet.memory_share:.0%} of memory; N+{fleet.spare} machines in every group; "
        + (f"the peak holds with one of {fleet.zones} zones gone." if fleet.zones > 1 else "one zone."),
        "",
    )
    show(f"Machines of {fleet.cores} cores and {fleet.memory_bytes / 1e9:g} GB", _machines(made))
    log = made.log
    say(
        f"Log: {log.records_per_s:,.0f} records/s at the peak in {log.partitions:,} partition(s); "
        f"{log.bytes_per_day / 1e9:,.1f} GB a day with {fleet.log_copies} copies, "
        f"{log.bytes_kept / 1e12:,.2f} TB in {demand.retention_days:g} days.",
        f"Training: {made.training.records:,.0f} records in {demand.training_days:g} days, "
        f"{made.training.share:.2%} of them in {made.training.memory_bytes / 1e9:,.1f} GB on one machine, "
        f"{made.training.cpu_hours:,.2f} hours of processor.",
        "",
    )
    say("What breaks first, with one server process and one log:")
    for place, limit in enumerate(limits(demand, costs, fleet, made), start=1):
        holds = "holds all" if limit.share >= 1 else f"holds {limit.share:.3%} of the demand"
        mend = "" if limit.share >= 1 else f" Then: {limit.mend}."
        say(f"{place}. [bold]{limit.part}[/] {holds}: {plain(limit.sentence)}.{mend}")
    needs = beyond(made)
    if needs:
        say("", "[yellow]On paper: this plan needs[/] " + "; ".join(map(plain, needs)) + ".")


def _machines(made: Plan) -> Table:
    shown = table("", ">machines", ">groups", ">replicas", ">processes each", ">GB each", ">busy at peak")
    tiers: list[tuple[str, Tier | None]] = [("serving", made.serving), ("index shards", made.index)]
    for name, tier in tiers:
        if tier is not None:
            counts = (tier.machines, tier.groups, tier.replicas, tier.processes)
            used = (f"{tier.memory_bytes / 1e9:,.2f}", f"{tier.cpu_share:.0%}")
            shown.add_row(name, *(f"{count:,}" for count in counts), *used)
    shown.add_row("log", f"{made.log.machines:,}", f"{made.log.partitions:,}", "", "", "", "")
    shown.add_row("training", "1", "1", "1", "", f"{made.training.memory_bytes / 1e9:,.2f}", "")
    return shown


def _report(project: Project, app: Path, surface: str, measured: Path | None, steps: Steps) -> Report:
    from shortlist.load.report import read_report

    if measured is not None:
        return read_report(measured)
    registry = project.registry()
    current = registry.current()
    proofs = () if current is None else registry.proofs(current)
    return read_report(proofs[0]) if proofs else _probe(project, app, surface, steps)


def _probe(project: Project, app: Path, surface: str, steps: Steps) -> Report:
    """Ask a server of our own at two rates that are easy, and at the higher with events beside."""
    import msgspec

    from shortlist.load.measure import Load
    from shortlist.load.session import Asked, run_session

    slo_p99_ms = project.app.surfaces[surface].slo.p99_ms
    source = Source.of(project, None, 0.05, needs_events=True)
    with server_at(project, app, "", steps) as address:
        requests = source.requests(address, surface, is_preview=False, seed=0)
        reports = [
            run_session(
                address, surface, slo_p99_ms, requests,
                Load(duration_s=_PROBE_S, warm_up_s=_PROBE_WARM_UP_S, events_per_request=events),
                Asked(rate_rps=rate_rps), told_by(steps),
            )
            for rate_rps, events in _PROBES
        ]  # fmt: skip
        steps.end()
    runs = [run for report in reports for run in report.runs]
    return with_release(msgspec.structs.replace(reports[-1], runs=runs), project)
