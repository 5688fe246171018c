"""`shortlist check --leakage`: which features know the future, how that was seen, and how to mend it."""

from __future__ import annotations

from shortlist.cli.console import Steps, plain, say, show, table
from shortlist.cli.project import Project


def run(project: Project) -> int:
    """Look for features that know the future, and print what was found; return the exit status."""
    from shortlist.offline.leakage.check import check_leakage
    from shortlist.offline.leakage.power import FEW

    with project.open_log() as log, Steps() as steps:
        report = check_leakage(project.app, log, progress=steps)
    tried = "impressions" if report.sampling is None else "trials"
    say(
        f"Looked at {len(report.columns)} columns that an import may have brought: "
        f"{plain(', '.join(report.columns) or 'none')}.",
        f"Held against {report.num_rows:,} {tried} and {report.num_events:,} events.",
    )
    if report.sampling is not None:
        say(f"[dim]Negatives: {plain(report.sampling)}.[/]")
    if report.not_asked:
        say(
            f"[yellow]Not asked: {plain(', '.join(report.not_asked))}.[/]",
            f"What requests bring is held against impressions: {FEW} that came out positive, and {FEW} not.",
        )
    if not report.findings:
        if report.not_asked:
            say("[yellow]of the columns looked at, none knows the future[/]")
        else:
            say("[green]no feature knows the future[/]")
        return 0
    shown = table("feature", "column", "is", "how it was seen", "figures")
    for one in report.findings:
        figures = "\n".join(one.figures())
        features = "\n".join(one.features)
        shown.add_row(*map(plain, (features, one.column, one.kind, one.reason, figures)))
    show("Features that know the future", shown)
    for mend in dict.fromkeys(one.mend for one in report.findings):
        columns = ", ".join(one.column for one in report.findings if one.mend == mend)
        say(f"[bold]{plain(columns)}[/]: {plain(mend)}")
    return 1
