"""`shortlist world`: a simulated platform writes the history of a project that has none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from shortlist.cli.console import Steps, say
from shortlist.cli.import_history import print_report, refuse_twice
from shortlist.cli.project import DATA, DECLARATION, Data, Declaration, Project

if TYPE_CHECKING:
    from shortlist.log import ImportReport, SqliteLog
    from shortlist.world import WorldConfig

EXAMPLES = ("shortlist world --users 2000 --videos 4000 --impressions 200000",)


def run(
    users: Annotated[int, typer.Option(help="People on the platform.")] = 2000,
    videos: Annotated[int, typer.Option(help="Videos, the uploads of the simulated days among them.")] = 4000,
    impressions: Annotated[int, typer.Option(help="Videos shown to somebody.")] = 200_000,
    days: Annotated[int, typer.Option(help="Days of history; the last one ends about now.")] = 14,
    seed: Annotated[int, typer.Option(help="The same seed gives the same people, videos and reactions.")] = 0,
    app: Declaration = DECLARATION,
    data: Data = DATA,
) -> None:
    """Simulate a short-video platform into the log: people with tastes, videos, what was shown and watched.

    For a machine without data. It fits the declaration of recipe video, and yours as long as you keep
    the events and attributes of that one.
    """
    project = Project.load(app, data)
    with project.open_log(read_only=False) as log:
        refuse_twice(log, "a world")
        with Steps() as steps:
            report = write_history(log, config(users, videos, days, seed), impressions, steps)
    print_report(report)
    say("Next: [bold]shortlist train[/]")


def config(users: int, videos: int, days: int, seed: int) -> WorldConfig:
    """Return a world whose last day ends about now, so that the windows of a live request are full."""
    from shortlist.world import WorldConfig

    # A session runs on past the end of its day: what it did must not lie ahead of live events.
    now = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=30)
    creators = max(1, videos // 10)
    return WorldConfig(
        seed=seed, num_users=users, num_videos=videos, num_creators=creators, num_days=days,
        start=now - timedelta(days=days),
    )  # fmt: skip


def write_history(log: SqliteLog, config: WorldConfig, num_impressions: int, steps: Steps) -> ImportReport:
    """Simulate a world and import what its log would hold."""
    from shortlist.recipes.video.simulated import history_sources
    from shortlist.world import World

    steps.begin("simulate a platform")
    history = World(config).history(num_impressions, steps.of("simulate a platform"))
    steps.begin("import its history")
    return log.import_history(history_sources(history), steps.of("import its history"))
