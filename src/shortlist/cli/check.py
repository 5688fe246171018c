"""`shortlist check`: what was understood of a declaration, and whether the data still fits it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from shortlist.cli import leaks
from shortlist.cli.console import console, plain, say, show, table
from shortlist.cli.project import DATA, DECLARATION, Data, Declaration, Project
from shortlist.declare.app import App
from shortlist.declare.features import Last
from shortlist.declare.types import duration_text

if TYPE_CHECKING:
    from rich.table import Table

EXAMPLES = ("shortlist check", "shortlist check --leakage")


def run(
    leakage: Annotated[
        bool,
        typer.Option(
            "--leakage",
            help="Look for features that know the future instead; status 1 when there is one.",
        ),
    ] = False,
    app: Declaration = DECLARATION,
    data: Data = DATA,
) -> None:
    """Validate the declaration, print what was understood, and compare it with the log and the release.

    Nothing is written. An error says what was expected, what came, and how to mend it.

    What is folded from the log, such as a count, is computed up to the request and cannot know what follows.
    An attribute or a field of the context that came with an import can: a copy of the outcome, a total of the
    whole period, a mean that counts its own row, a value that was read at the end. --leakage reads the log
    and says which does, how it was seen, and how to mend it.
    """
    project = Project.load(app, data)
    if leakage:
        raise typer.Exit(leaks.run(project))
    printed = console()
    declared = project.app
    say(f"[bold]{declared.name}[/]  [dim]fingerprint {declared.fingerprint()}[/]", "")
    show("What the log holds", _records(declared))
    show("What is wanted", _labels(declared))
    show(f"What is known: {len(declared.read_features())} features", _features(declared))
    show("What is kept of the log for it", _state(declared))
    for surface in declared.surfaces.values():
        printed.print(surface.describe(), markup=False)
        printed.print()
    say(_log(project), _release(project))


def _fields(types: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {type_}" for name, type_ in types.items())


def _records(app: App) -> Table:
    shown = table("kind", "is", "fields")
    for name, entity in app.entities.items():
        shown.add_row(name, "entity", _fields(entity.attribute_types))
    for name, event in app.events.items():
        of = " and ".join(str(entity) for entity in event.entities)
        shown.add_row(
            name, f"event of {of}", _fields({key: field.type for key, field in event.fields.items()})
        )
    if app.pair is not None:
        shown.add_row("impression", "built in", _fields(app.impression.columns))
    context = {name: field.type for name, field in app.request_context.fields.items()}
    if context:
        shown.add_row("context", "of a request", _fields(context))
    return shown


def _labels(app: App) -> Table:
    shown = table("label", "an impression is positive when", "within")
    for name, label in app.labels.items():
        what = label.condition if label.condition is not None else label.event
        shown.add_row(name, f"{what} follows", duration_text(label.within_us))
    return shown


def _features(app: App) -> Table:
    shown = table(">#", "feature", "read by")
    for number, feature in enumerate(app.read_features().values(), start=1):
        readers = [
            type(stage).__name__
            for surface in app.surfaces.values()
            for stage in surface.stages
            if feature.name in [one.name for one in stage.reads(app)]
        ]
        is_column = feature.name in app.declared_features and not isinstance(feature, Last)
        by = ["the ranker"] * is_column + list(dict.fromkeys(readers))
        shown.add_row(str(number), plain(feature.name), ", ".join(by))
    return shown


def _state(app: App) -> Table:
    """Show what is kept of the log: features over the same events by the same key share one track."""
    from shortlist.features.plan import make_plan

    plan = make_plan(app)
    shown = table("kept", "of", "by", "windows, in tiles of", ">lanes")
    for track in plan.tracks:
        windows = ", ".join(
            f"{duration_text(window)} in {duration_text(tile)}"
            for window, tile in zip(track.windows_us, track.tiles_us, strict=True)
        )
        where = "" if track.source.where is None else f" where {track.source.where}"
        of = (
            f"{track.source.kind} of {track.source.of}"
            if track.source.kind != "events"
            else f"{track.source.of}"
        )
        key = ", ".join(map(str, track.key)) or "all"
        shown.add_row("sums", f"{of}{where}", key, windows, str(track.num_lanes))
    for source, key_of in plan.recencies:
        shown.add_row("last time", str(source.of), ", ".join(map(str, key_of)), "", "")
    for history in plan.histories.values():
        window = "" if history.window_us is None else duration_text(history.window_us)
        shown.add_row(f"last {history.n}", str(history.source), ", ".join(map(str, history.key)), window, "")
    return shown


def _log(project: Project) -> str:
    if not project.has_log:
        return "log      none yet: [bold]shortlist world[/] or [bold]shortlist import[/]"
    with project.open_log() as log:  # raises when a field in it was removed or retyped
        return f"log      fits: {log.last_seq:,} records, last position {log.last_seq}"


def _release(project: Project) -> str:
    if not project.releases.is_dir() or (current := project.registry().current()) is None:
        return "release  none yet: [bold]shortlist train[/]"
    fingerprint = project.app.fingerprint()
    release = project.registry().open(current)
    if release.metadata.fingerprint == fingerprint:
        return f"release  {current[:12]} fits"
    return (
        f"[yellow]release  {current[:12]} was trained for another declaration "
        f"({release.metadata.fingerprint[:12]}) and will not be served:[/] [bold]shortlist train[/]"
    )
