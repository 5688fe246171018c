from __future__ import annotations

from collections.abc import Iterator

import pytest

from cli import tiny
from shortlist.cli.background import BackgroundServer
from shortlist.cli.project import Project


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    """A trained project for the tests of a file to share."""
    folder = tiny.copy(tmp_path_factory.getbasetemp(), tmp_path_factory.mktemp("served") / "project")
    return Project.load(folder / "app.py", folder / ".shortlist")


@pytest.fixture(scope="module")
def server(project) -> Iterator[BackgroundServer]:
    """A real server of it."""
    server = BackgroundServer(project, 0)
    yield server
    server.stop()
