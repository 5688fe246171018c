"""The simulated platform's history fits the video declaration and imports without a bad row."""

from __future__ import annotations

import pytest

from recipes.sources import check_against, column, import_all, num_rows
from shortlist.recipes.video.app import app
from shortlist.recipes.video.simulated import history_sources
from shortlist.world import World, WorldConfig

WORLD = World(WorldConfig(num_users=200, num_videos=500, num_creators=60, num_days=3))


@pytest.fixture(scope="module")
def history():
    return WORLD.history(5_000)


def test_the_sources_fit_the_declaration(history):
    sources = history_sources(history)
    check_against(app, sources)
    assert [source.kind for source in sources] == ["user", "video", "impression", "watch", "like"]
    assert num_rows(sources[2]) == 5_000


def test_positions_are_counted_from_one(history):
    shown = history_sources(history)[2]
    assert column(shown, "position").min() == 1
    assert history.impressions["position"].min() == 0, "and the world's own columns are left as they were"


def test_the_truth_of_the_world_is_not_imported(history):
    named = {name for source in history_sources(history) for name in source.fields.values()}
    assert named.isdisjoint(set(history.truth) - {"user", "video", "watch_s"})


def test_a_good_share_of_impressions_engages(history):
    (watches,) = [source for source in history_sources(history) if source.kind == "watch"]
    share = (column(watches, "watch_s") > 20).sum() / 5_000
    assert 0.03 < share < 0.3, "a label worth learning is neither rare nor common"


def test_every_row_is_imported(history, tmp_path):
    sources = history_sources(history)
    report = import_all(app, sources, tmp_path / "log")
    assert report.num_rejected == 0, report.reasons
    assert report.num_imported == report.num_rows == sum(map(num_rows, sources))
