"""`shortlist demo`: the whole loop on a fresh machine, from nothing to a live feed within a minute."""

from __future__ import annotations

import logging
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer

from shortlist.cli import world
from shortlist.cli.background import BackgroundServer
from shortlist.cli.console import Steps, plain, say
from shortlist.cli.errors import UsageError
from shortlist.cli.init import Recipe, recipe_file
from shortlist.cli.project import DATA, DECLARATION, Project, load_app
from shortlist.cli.serve import welcome
from shortlist.cli.smoke import drive, first_feed
from shortlist.cli.train import print_comparisons

EXAMPLES = ("shortlist demo", "shortlist demo --folder feed --port 8080", "shortlist demo --smoke")

# Large enough for tastes to be learned, small enough for a minute on two cores, compilers included.
NUM_USERS, NUM_VIDEOS, NUM_DAYS, NUM_IMPRESSIONS = 1500, 3000, 14, 120_000
USUAL_PORT = 8000


def run(
    smoke: Annotated[
        bool,
        typer.Option("--smoke", help="Drive it over HTTP, prove that a watch changes the feed, end."),
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="0 for any free one; by default 8000, if it is free."),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Build the project there, and keep it.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the simulated platform.")] = 0,
) -> None:
    """See all of it run: simulate a video platform, import its history, train, publish, serve.

    It takes less than a minute, and prints the address of a page: pick a user, watch something, see the
    feed change. Nothing is left behind unless you name a folder; then it is a project like any other.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what is temporary goes, however it ends
    port = _free_port(port, smoke=smoke)
    with _project(folder) as project, _served(project, port, seed) as server:
        if smoke:
            drive(server.url)
            return
        if folder is not None:
            say(f"The project is in [bold]{plain(folder)}[/], and stays there.")
        welcome(project, server.url)
        with suppress(KeyboardInterrupt):
            while server.is_running:
                time.sleep(0.5)
        server.check()


def _free_port(port: int | None, *, smoke: bool) -> int:
    """Return the port to serve on, before anything is built; any free one where 8000 is taken."""
    if port == 0 or (port is None and smoke):
        return 0
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port or USUAL_PORT))
        except OSError as error:
            if port is None:
                return 0
            raise UsageError(
                f"--port {port}",
                expected="a free port",
                received=error.strerror or error,
                mend="Name another: --port 8001, or 0 for any.",
            ) from None
    return port or USUAL_PORT


@contextmanager
def _project(folder: Path | None) -> Iterator[Project]:
    """Give a new project of the video recipe; a temporary one goes with the block."""
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="shortlist-demo-") as made:
            yield _with_declaration(Path(made))
        return
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(
            f"--folder {folder}",
            expected="an empty folder, or a new one",
            received="one with files in it",
            mend="Name another; to serve that one again, go there: shortlist serve.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    yield _with_declaration(folder)


def _with_declaration(folder: Path) -> Project:
    shutil.copyfile(recipe_file(Recipe.video), folder / DECLARATION)
    return Project(load_app(folder / DECLARATION), folder / DATA)


@contextmanager
def _served(project: Project, port: int, seed: int) -> Iterator[BackgroundServer]:
    """Build a world, import its history, train, publish, serve; print what each step took."""
    began_s = time.perf_counter()
    with Steps() as steps:
        steps.begin("load the libraries")
        from shortlist.offline.train import train

        config = world.config(NUM_USERS, NUM_VIDEOS, NUM_DAYS, seed)
        with project.open_log(read_only=False) as log:
            imported = world.write_history(log, config, NUM_IMPRESSIONS, steps)
            trained = train(project.app, log, project.registry(), progress=steps, seed=seed)
        steps.begin("start the server")
        server = BackgroundServer(project, port)
        try:
            steps.begin("ask for the first feed")
            first_feed(server.url)
            seconds = time.perf_counter() - began_s
        except BaseException:
            server.stop()
            raise
    try:
        print_comparisons(trained.comparisons)
        say(
            f"{imported.num_imported:,} records in the log, release {trained.release[:12]} serves. "
            f"First feed after [bold]{seconds:.0f} s[/].",
            "",
        )
        yield server
    finally:
        server.stop()
