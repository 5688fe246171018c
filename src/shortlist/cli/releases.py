"""`shortlist releases`: what was trained, which of it serves, and how that changes."""

from __future__ import annotations

from typing import Annotated

import typer

from shortlist.cli.console import console, say, table
from shortlist.cli.errors import UsageError
from shortlist.cli.project import DATA, DECLARATION, Data, Declaration, Project

Id = Annotated[str, typer.Argument(metavar="ID", help="A release's id, or its beginning.")]

cli = typer.Typer(
    help="""List the releases, show one, and move the pointer to the one that serves.

    A running server follows the pointer within a second, without a failed request.
    """,
    epilog="Example: [bold]shortlist releases rollback[/]",
    invoke_without_command=True,
    rich_markup_mode="rich",
)


@cli.callback()
def begin(ctx: typer.Context, data: Data = DATA) -> None:
    """List the releases when nothing else is asked."""
    if ctx.invoked_subcommand is None:
        list_all(data)
    elif data != DATA:
        raise UsageError(
            f"--data {data}",
            expected=f"it behind the verb: shortlist releases {ctx.invoked_subcommand} --data {data}",
            received="it before",
            mend="Move it, so that it is clear whose releases are meant.",
        )


@cli.command("list")
def list_all(data: Data = DATA) -> None:
    """List every release, newest first: shortlist releases list."""
    from shortlist.releases import Registry

    infos = Registry(data / "releases").list() if (data / "releases").is_dir() else []
    if not infos:
        say("No release yet: [bold]shortlist train[/]")
        return
    shown = table("", "release", "made", "app", ">examples", "metrics")
    for info in infos:
        mark = "[green]serves[/]" if info.is_current else ""
        made = f"{info.created_at:%Y-%m-%d %H:%M}"
        if info.manifest is None:
            shown.add_row(mark, info.id[:12], made, "[red]damaged[/]", "", info.problem or "")
            continue
        metadata = info.manifest.metadata
        shown.add_row(
            mark,
            info.id[:12],
            made,
            metadata.app,
            f"{metadata.data.num_examples:,}",
            _headline(metadata.metrics),
        )
    console().print(shown)


@cli.command()
def promote(id: Id, app: Declaration = DECLARATION, data: Data = DATA) -> None:
    """Check a release and let it serve: shortlist releases promote 3f2a."""
    project = Project.load(app, data)
    promoted = project.registry().promote(id, project.app.fingerprint())
    say(f"[green]{promoted[:12]}[/] serves now; a running server follows within a second.")


@cli.command()
def rollback(data: Data = DATA) -> None:
    """Go back to the release that served before: shortlist releases rollback."""
    from shortlist.releases import Registry

    now = Registry(data / "releases").rollback()
    say(f"[green]{now[:12]}[/] serves again; a running server follows within a second.")


@cli.command()
def show(id: Id, data: Data = DATA) -> None:
    """Print a release's model card, and what it did under load: shortlist releases show 3f2a."""
    from rich.markdown import Markdown

    from shortlist.load.card import load_card
    from shortlist.load.report import read_report
    from shortlist.releases import Registry
    from shortlist.releases.model_card import CARD

    registry = Registry(data / "releases")
    release = registry.open(id)
    say(f"release {release.id}", f"folder  {release.folder}", "")
    console().print(Markdown(release.path(CARD).read_text(encoding="utf-8")))
    for proof in registry.proofs(release.id)[:1]:
        console().print(Markdown(load_card(read_report(proof))))


@cli.command()
def verify(data: Data = DATA) -> None:
    """Check every file of every release against its checksum: shortlist releases verify."""
    from shortlist.releases import Registry, ReleaseError

    registry = Registry(data / "releases")
    damaged = 0
    for info in registry.list():
        try:
            release = registry.open(info.id)
            size = sum(entry.size for entry in release.manifest.files.values())
            say(f"{info.id[:12]}  [green]sound[/]: {len(release.manifest.files)} files, {size / 1e6:.1f} MB")
        except ReleaseError as error:
            damaged += 1
            say(f"{info.id[:12]}  [red]damaged[/]")
            console().print(f"  {error}", markup=False, soft_wrap=True)
    if damaged:
        raise UsageError(
            "releases",
            expected="sound ones",
            received=f"{damaged} damaged",
            mend="Restore them, or train again.",
        )


def _headline(metrics: dict[str, dict[str, float | None]]) -> str:
    """Show the first few figures of the first model."""
    for model, row in metrics.items():
        figures = [f"{name} {value:.4g}" for name, value in row.items() if value is not None]
        return f"{model}: {', '.join(figures[:3])}"
    return ""
