"""What must hold in every history, and what the default one must look like."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.world import History, World, WorldConfig

HALF_HOUR_US = 30 * 60 * 1_000_000

configs = st.builds(
    WorldConfig,
    seed=st.integers(0, 10_000),
    num_users=st.integers(1, 60),
    num_videos=st.integers(80, 300),
    num_creators=st.integers(5, 30),
    num_topics=st.integers(1, 24),
    num_days=st.integers(1, 4),
    slate_size=st.integers(1, 5),
)


@given(config=configs, num_impressions=st.integers(1, 600))
@settings(max_examples=60, deadline=None)
def test_invariants(config: WorldConfig, num_impressions: int) -> None:
    world = World(config)
    history = world.history(num_impressions)
    shown = history.impressions
    assert len(shown["user"]) == num_impressions

    for table in (history.impressions, history.watches, history.likes, history.video_updates, history.truth):
        assert len({len(column) for column in table.values()}) == 1
        for column in table.values():
            if column.dtype.kind == "f":
                assert np.isfinite(column).all()
        if "time_us" in table:
            assert (np.diff(table["time_us"]) >= 0).all()

    video = np.array([world.video_index[name] for name in shown["video"].tolist()])
    user = np.array([world.user_index[name] for name in shown["user"].tolist()])
    assert (video == history.truth["video"]).all()
    assert (user == history.truth["user"]).all()
    assert (world.videos["published_us"][video] <= shown["time_us"]).all()
    assert not (world.videos["explicit"][video] & ~world.users["adult"][user]).any()
    assert ((shown["propensity"] > 0) & (shown["propensity"] <= 1)).all()

    slates = defaultdict(list)
    for row, slate in enumerate(shown["slate"].tolist()):
        slates[slate].append(row)
    cut = 0
    for rows in slates.values():
        assert shown["position"][rows].tolist() == list(range(len(rows)))
        assert len({video[row] for row in rows}) == len(rows)
        assert len({(user[row], shown["time_us"][row]) for row in rows}) == 1
        cut += len(rows) < config.slate_size
    assert cut <= 1

    durations = dict(zip(world.videos["video"].tolist(), world.videos["duration_s"].tolist(), strict=True))
    assert len(history.watches["user"]) == history.truth["clicked"].sum()
    assert len(history.likes["user"]) == history.truth["liked"].sum()
    times_shown = defaultdict(list)
    for name, what, time_us in zip(*(shown[c].tolist() for c in ("user", "video", "time_us")), strict=True):
        times_shown[name, what].append(time_us)
    watches = history.watches
    for name, what, watch_s, time_us in zip(
        *(watches[c].tolist() for c in ("user", "video", "watch_s", "time_us")), strict=True
    ):
        assert 0 < watch_s <= durations[what]
        assert any(0 < time_us - before < HALF_HOUR_US for before in times_shown[name, what])
    watched = set(zip(watches["user"].tolist(), watches["video"].tolist(), strict=True))
    assert set(zip(history.likes["user"].tolist(), history.likes["video"].tolist(), strict=True)) <= watched


def test_click_rate_of_every_position_is_the_true_one(world: World, history: History) -> None:
    truth, position = history.truth, history.impressions["position"]
    chance = truth["freshness"] * world.click_probability(truth["user"], truth["video"], position)
    np.testing.assert_allclose(chance, truth["click_probability"])
    for slot in range(world.config.slate_size):
        here = position == slot
        gap = truth["clicked"][here].sum() - chance[here].sum()
        assert abs(gap) < 4.5 * np.sqrt((chance * (1 - chance))[here].sum())


def test_freshness_counts_the_whole_session_and_nothing_else(world: World) -> None:
    history = world.history(4000)
    behaviour, catalogue, truth = world.config.behaviour, world.catalogue, history.truth
    before: dict[int, list[int]] = defaultdict(list)
    for session, video, freshness in zip(*(truth[c] for c in ("session", "video", "freshness")), strict=True):
        shown = before[session]
        tired = (
            behaviour.topic_tiring ** sum(catalogue.topic[other] == catalogue.topic[video] for other in shown)
            * behaviour.creator_tiring
            ** sum(catalogue.creator[other] == catalogue.creator[video] for other in shown)
            * behaviour.repeat_tiring ** shown.count(video)
        )
        np.testing.assert_allclose(freshness, max(tired, behaviour.least_freshness))
        shown.append(video)
    assert max(map(len, before.values())) > 2 * world.config.slate_size
    assert len(
        {(session, user) for session, user in zip(truth["session"], truth["user"], strict=True)}
    ) == len(before)


def test_watch_time_and_likes_are_the_true_ones(world: World, history: History) -> None:
    clicked = history.truth["clicked"]
    user, video, watch_s, liked = (history.truth[c][clicked] for c in ("user", "video", "watch_s", "liked"))
    excess_s = watch_s - world.expected_watch_s(user, video)
    assert abs(excess_s.sum()) < 4.5 * np.sqrt(np.square(excess_s).sum())
    chance = world.config.behaviour.like_probability(world.people, world.catalogue, user, video, watch_s)
    assert abs(liked.sum() - chance.sum()) < 4.5 * np.sqrt((chance * (1 - chance)).sum())


def test_position_bias_and_fatigue_are_visible(world: World, history: History) -> None:
    clicked, position = history.truth["clicked"], history.impressions["position"]
    rates = [clicked[position == slot].mean() for slot in range(world.config.slate_size)]
    assert rates[0] > 1.5 * rates[4] > 1.5 * rates[9]
    tired = history.truth["freshness"] < 0.6
    fresh_chance = world.click_probability(history.truth["user"], history.truth["video"], position)
    assert clicked[tired].mean() < 0.65 * fresh_chance[tired].mean()


def test_base_rates_and_popularity_look_like_a_platform(world: World, history: History) -> None:
    assert 0.15 < history.truth["clicked"].mean() < 0.3
    assert 0.15 < (history.watches["watch_s"] > 30).mean() < 0.4
    assert 0.05 < len(history.likes["user"]) / len(history.watches["user"]) < 0.3
    shown = np.sort(np.bincount(history.truth["video"], minlength=len(world.catalogue)))[::-1]
    share_of_top = np.cumsum(shown) / shown.sum()
    assert share_of_top[len(shown) // 100] > 0.1
    assert share_of_top[len(shown) // 10] > 0.35
