"""`shortlist serve`: the HTTP server of the project."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shortlist.cli.console import Steps, plain, say
from shortlist.cli.errors import UsageError
from shortlist.cli.project import DATA, DECLARATION, Data, Declaration, Project
from shortlist.online.process import prepare_process

if TYPE_CHECKING:
    from shortlist.online.server import Server
    from shortlist.online.supervisor import Supervisor

_RECENT_RECORDS = 4000
_MOST_USERS = 8

EXAMPLES = ("shortlist serve --port 8000", "shortlist serve --workers 2")


def run(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 for any free one.", min=0, max=65535)] = 8000,
    app: Declaration = DECLARATION,
    data: Data = DATA,
    workers: Annotated[
        int, typer.Option(help="Processes that answer; with 2 or more, one more keeps the log.", min=1)
    ] = 1,
) -> None:
    """Serve events in and recommendations out over HTTP, and a page to look at them.

    It listens at once, answers when the log is read and the release is loaded, and follows every
    promotion and rollback without a failed request. Ctrl-C ends it in good order.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    prepare_process()  # before anything loads a numeric library
    project = Project.load(app, data)
    with Steps() as steps:

        def ready(url: str) -> None:
            steps.end()
            for reason in server.reasons():
                say(f"[yellow]{plain(reason)}[/] It is loaded as soon as it is there.")
            welcome(project, url)

        progress = steps.of("fold the log")
        server: Server | Supervisor
        if workers == 1:
            server = make_server(project, host, port, ready, progress)
        else:
            server = _make_supervisor(project, app, workers, host, port, ready, progress)
        with suppress(KeyboardInterrupt):
            server.run()


def make_server(
    project: Project,
    host: str,
    port: int,
    ready: Callable[[str], None],
    progress: Callable[[int, int], None] | None = None,
    *,
    is_live: bool = False,
) -> Server:
    """Make the server of a project, with its page; it listens already.

    Looking at the page is logged as being shown the feed only when `is_live`.

    Raises:
        UsageError: when the address is taken or is none of this machine's.
    """
    from shortlist.online.server import Server
    from shortlist.studio.pages import build_pages

    pages = build_pages(project.app, recent_users(project), is_live=is_live)
    with _address(host, port):
        return Server(project.app, project.data, host, port, pages=pages, ready=ready, progress=progress)


def _make_supervisor(
    project: Project,
    declaration: Path,
    num_workers: int,
    host: str,
    port: int,
    ready: Callable[[str], None],
    progress: Callable[[int, int], None],
) -> Supervisor:
    from shortlist.online.supervisor import Supervisor

    command = (sys.executable, "-m", "shortlist.cli.worker", str(declaration), str(project.data))
    with _address(host, port):
        return Supervisor(
            project.app, project.data, command, num_workers, host, port, ready=ready, progress=progress
        )


@contextmanager
def _address(host: str, port: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"--host {host} --port {port}",
            expected="a free port on an address of this machine",
            received=error.strerror or error,
            mend="Name another: --port 8001, or 0 for any.",
        ) from None


def welcome(project: Project, url: str) -> None:
    """Print where the server is, and three requests to try, with an item that is in the log."""
    app = project.app
    user, item = app.user_entity.entity_name, app.item_entity.entity_name
    surface = next(iter(app.surfaces))
    between = [
        name for name, event in app.events.items() if {app.user_entity, app.item_entity} <= {*event.entities}
    ]
    event = next(iter(between or app.events))
    known = next(iter(_recent(project, item)), "ID")
    asked = json.dumps({"user": "me", "trace": True})
    done = json.dumps({"type": event, user: "me", item: known})
    header = "-H 'content-type: application/json'"
    say(
        f"The page    [bold]{url}/[/]",
        f"The API     [bold]{url}/openapi.json[/]",
        "",
        f"  curl -s {url}/v1/surfaces/{surface}/recommend {header} -d '{plain(asked)}'",
        f"  curl -s {url}/v1/events {header} -d '{plain(done)}'",
        f"  curl -s {url}/v1/users/me",
        "",
        "Ctrl-C ends it.",
    )


def recent_users(project: Project) -> list[str]:
    """Return some of the users who did something lately, for a page to offer."""
    return _recent(project, project.app.user_entity.entity_name)


def _recent(project: Project, entity: str) -> list[str]:
    """Return a few of the users or items of the newest events."""
    if not project.has_log:
        return []
    with project.open_log() as log:
        records = log.read(after_seq=max(0, log.last_seq - _RECENT_RECORDS), limit=_RECENT_RECORDS)
    acts = [
        record.fields[entity]
        for record in records
        if record.kind in project.app.events and entity in record.fields
    ]
    return list(dict.fromkeys(reversed(acts)))[:_MOST_USERS]
