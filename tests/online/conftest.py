from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from online.product import declare, publish, running, write_past
from shortlist.declare.app import App
from shortlist.releases import Registry


@pytest.fixture(scope="session")
def app() -> App:
    return declare()


@pytest.fixture(scope="session")
def trained(app, tmp_path_factory) -> Path:
    """A data folder with a past and two releases, the first promoted; to be copied, not served."""
    data = tmp_path_factory.mktemp("trained")
    write_past(data, app)
    first = publish(data, app)
    publish(data, app, seed=1)
    Registry(data / "releases").promote(first)
    return data


@pytest.fixture
def data(trained, tmp_path) -> Path:
    """A data folder of one's own."""
    return Path(shutil.copytree(trained, tmp_path / "data"))


@pytest.fixture(scope="module")
def client(app, trained, tmp_path_factory) -> Iterator[httpx.Client]:
    """A server that the tests of a file share."""
    data = Path(shutil.copytree(trained, tmp_path_factory.mktemp("served") / "data"))
    with running(app, data) as client:
        yield client
