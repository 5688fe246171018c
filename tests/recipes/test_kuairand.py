"""KuaiRand-Pure: the rows of its README, and nothing known before its time."""

from __future__ import annotations

import duckdb
import numpy as np
import pytest

from recipes.data import data_folder
from recipes.sources import check_against, column, import_all, num_rows, times_us
from shortlist.recipes.kuairand.adapter import history_sources
from shortlist.recipes.kuairand.app import app


@pytest.fixture(scope="module")
def folder():
    return data_folder("kuairand-pure")


@pytest.fixture(scope="module")
def sources(folder):
    return history_sources(folder)


@pytest.fixture(scope="module")
def by_kind(sources):
    """The last source of each kind: of events, those of the period, not the earlier ones."""
    return {source.kind: source for source in sources}


def test_the_sources_fit_the_declaration(sources):
    check_against(app, sources)


def test_the_rows_are_those_of_the_readme(by_kind):
    assert num_rows(by_kind["user"]) == 27_285
    assert num_rows(by_kind["video"]) == 7_583
    assert num_rows(by_kind["impression"]) == 94_784 + 133_545


def test_the_outcomes_are_those_of_the_files(folder, by_kind):
    (totals,) = duckdb.sql(
        f"SELECT sum(is_click), sum(long_view), sum(is_like), sum(is_follow), sum(play_time_ms) / 1000 "
        f"FROM (FROM '{folder}/val.parquet' UNION ALL BY NAME FROM '{folder}/test.parquet')"
    ).fetchall()
    kinds = ["click", "long_view", "like", "follow"]
    assert tuple(num_rows(by_kind[kind]) for kind in kinds) == totals[:4]
    assert column(by_kind["watch"], "watch_s").sum() == pytest.approx(totals[4])


def test_the_impressions_lie_in_the_two_weeks_of_the_protocol(by_kind):
    first, last = times_us(by_kind["impression"])[[0, -1]]
    midnight_us = int(np.datetime64("2022-04-24T16:00", "us").astype(np.int64))  # 25 April in Beijing
    day_us = 86_400_000_000
    assert abs(first - midnight_us) < day_us / 24, "the first rows come up to an hour before midnight"
    assert last < midnight_us + 14 * day_us


def test_an_outcome_is_known_only_after_its_impression_and_its_watching(folder, by_kind):
    pairs = {}
    shown = by_kind["impression"]
    for user, video, time in zip(
        column(shown, "user_id").tolist(), column(shown, "video_id").tolist(), times_us(shown).tolist(),
        strict=True,
    ):  # fmt: skip
        pairs.setdefault((user, video), []).append(time)
    watches = by_kind["watch"]
    users, videos = column(watches, "user_id").tolist(), column(watches, "video_id").tolist()
    began = times_us(watches) - np.maximum(np.rint(column(watches, "watch_s") * 1e6), 1e6).astype(np.int64)
    assert all(
        time in pairs[user, video]
        for user, video, time in zip(users, videos, began.tolist(), strict=True)
    )  # fmt: skip


def test_the_earlier_history_ends_before_the_users_first_impression(sources, by_kind):
    shown = next(source for source in sources if source.kind == "impression")
    first_us = np.full(30_000, np.iinfo(np.int64).max)
    np.minimum.at(first_us, column(shown, "user_id"), times_us(shown))
    earlier = sources[2 : sources.index(shown)]
    assert [source.kind for source in earlier] == ["watch", "long_view", "like"]
    for source in earlier:
        assert num_rows(source) > 20_000
        assert (times_us(source) < first_us[column(source, "user_id")]).all()
        assert "watch_s" not in source.fields
        assert column(source, "earlier").all()
        assert not column(by_kind[source.kind], "earlier").any()


def test_attributes_are_known_before_every_event(sources):
    updates = [source for source in sources if source.kind in app.entities]
    events = [source for source in sources if source.kind not in app.entities]
    assert max(times_us(source).max() for source in updates) < min(times_us(one).min() for one in events)


def test_every_row_is_imported(sources, tmp_path):
    report = import_all(app, sources, tmp_path / "log")
    assert report.num_rejected == 0, report.reasons
    assert report.num_imported == report.num_rows == sum(map(num_rows, sources))
