"""One small simulated world, its log, and one training on it, shared by the room's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shortlist.features.offline import History
from shortlist.features.schema import log_schemas
from shortlist.log import HistorySource, SqliteLog
from shortlist.offline.train import TrainReport, train
from shortlist.recipes.video.app import app
from shortlist.recipes.video.simulated import history_sources
from shortlist.releases import Registry
from shortlist.world import World, WorldConfig

NUM_IMPRESSIONS = 24_000


@pytest.fixture(scope="session")
def sources() -> list[HistorySource]:
    """What the world's past becomes in a log."""
    config = WorldConfig(num_users=250, num_videos=500, num_creators=60, num_days=6, seed=3)
    return history_sources(World(config).history(NUM_IMPRESSIONS))


@pytest.fixture(scope="session")
def log(sources, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteLog]:
    with SqliteLog(tmp_path_factory.mktemp("log"), log_schemas(app)) as opened:
        opened.import_history(sources)
        yield opened


@pytest.fixture(scope="session")
def history(log) -> History:
    return History.read(app, log)


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    return Registry(Path(tmp_path_factory.mktemp("releases")))


@pytest.fixture(scope="session")
def trained(log, registry) -> TrainReport:
    return train(app, log, registry)
