"""One default world and its history, shared by the statistical tests."""

from __future__ import annotations

import pytest

from shortlist.world import History, World


@pytest.fixture(scope="session")
def world() -> World:
    return World()


@pytest.fixture(scope="session")
def history(world: World) -> History:
    return world.history(200_000)
