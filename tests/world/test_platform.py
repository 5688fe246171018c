"""The world as others meet it: ids, determinism, refusals, live users."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from shortlist.world import History, World, WorldConfig, WorldError

SMALL = WorldConfig(seed=3, num_users=40, num_videos=200, num_creators=12, num_topics=5, num_days=3)
TABLES = ("impressions", "watches", "likes", "user_updates", "video_updates", "truth")


def same(a: dict[str, NDArray[Any]], b: dict[str, NDArray[Any]]) -> bool:
    return list(a) == list(b) and all(np.array_equal(a[name], b[name]) for name in a)


def same_history(a: History, b: History) -> bool:
    return all(same(getattr(a, table), getattr(b, table)) for table in TABLES)


def test_ids_are_unique_and_indexed(world: World) -> None:
    for table, key, index in (
        (world.users, "user", world.user_index),
        (world.videos, "video", world.video_index),
    ):
        ids = table[key].tolist()
        assert len(set(ids)) == len(ids)
        assert [index[name] for name in ids] == list(range(len(ids)))
    assert len(set(world.catalogue.creator_names)) == world.config.num_creators
    assert set(world.videos["topic"].tolist()) == set(world.catalogue.topic_names)


def test_creators_keep_unique_names_beyond_the_pairs_of_names() -> None:
    names = World(WorldConfig(num_users=1, num_videos=100, num_creators=3500)).catalogue.creator_names
    assert len(set(names)) == 3500


def test_same_seed_same_bits_in_any_order_of_calls() -> None:
    one, two = World(SMALL), World(SMALL)
    one.history(100)
    assert same(one.users, two.users)
    assert same(one.videos, two.videos)
    assert same_history(one.history(3000), two.history(3000))
    assert same_history(one.history(3000), one.history(3000))


def test_another_seed_is_another_world() -> None:
    other = World(
        WorldConfig(seed=4, num_users=40, num_videos=200, num_creators=12, num_topics=5, num_days=3)
    )
    assert not same(World(SMALL).videos, other.videos)
    assert not same(World(SMALL).history(500).impressions, other.history(500).impressions)


def test_more_users_leave_the_videos_as_they_are() -> None:
    more = WorldConfig(seed=3, num_users=90, num_videos=200, num_creators=12, num_topics=5, num_days=3)
    assert same(World(SMALL).videos, World(more).videos)


def test_every_simulated_day_brings_uploads(world: World) -> None:
    day_us = 86_400_000_000
    days = (world.videos["published_us"] - world.config.start_us) // day_us
    assert set(range(world.config.num_days)) <= set(days.tolist())
    assert days.max() < world.config.num_days
    assert world.catalogue.num_published(world.config.start_us - 1) == (days < 0).sum()


def test_progress_ends_at_the_number_asked_for() -> None:
    calls: list[tuple[int, int]] = []
    World(SMALL).history(1234, progress=lambda done, total: calls.append((done, total)))
    assert len(calls) == SMALL.num_days
    assert calls == sorted(calls)
    assert calls[-1] == (1234, 1234)


def test_a_live_user_reacts_as_the_truth_says(world: World) -> None:
    rng, catalogue, now_us, rounds = np.random.default_rng(1), world.catalogue, world.config.start_us, 4000
    # Four topics, then the first video once more: only the last slot tires.
    firsts = [int(np.flatnonzero(catalogue.topic == topic)[0]) for topic in range(4)]
    assert len({catalogue.creator[video] for video in firsts}) == 4
    videos = [*firsts, firsts[0]]
    clicks, watched_s = np.zeros(5), np.zeros(5)
    for _ in range(rounds):
        reaction = world.respond(7, videos, now_us, rng)
        clicks += reaction.clicked
        watched_s += reaction.watch_s
        assert not (reaction.liked & ~reaction.clicked).any()
        assert ((reaction.watch_s > 0) == reaction.clicked).all()
    behaviour = world.config.behaviour
    chance = world.click_probability(7, videos, range(5))
    chance[4] *= behaviour.topic_tiring * behaviour.creator_tiring * behaviour.repeat_tiring
    assert (np.abs(clicks - rounds * chance) < 4.5 * np.sqrt(rounds * chance * (1 - chance))).all()
    excess_s = watched_s - clicks * world.expected_watch_s(7, videos)
    assert (np.abs(excess_s) < 4.5 * np.sqrt(clicks) * catalogue.duration_s[videos] / 2).all()


def test_a_live_user_tires_of_what_the_session_showed(world: World) -> None:
    def click_rate(seen: list[int]) -> float:
        rng = np.random.default_rng(2)
        reactions = [world.respond(7, [3], world.config.start_us, rng, seen=seen) for _ in range(1500)]
        return float(np.mean([reaction.clicked[0] for reaction in reactions]))

    assert click_rate([3, 3]) < 0.5 * click_rate([])


def test_the_future_cannot_be_shown(world: World) -> None:
    last = len(world.catalogue) - 1
    with pytest.raises(WorldError, match=f"v{last:06d} is not published yet"):
        world.respond(0, [last], world.config.start_us, np.random.default_rng(0))


def test_numbers_out_of_range_are_named(world: World) -> None:
    with pytest.raises(
        WorldError, match=r"users: expected numbers 0 to 1999, got 2000 to 2000; .* user_index"
    ):
        world.click_probability([2000], [0], [0])
    with pytest.raises(WorldError, match="videos: expected numbers 0 to 3999, got -1 to 5"):
        world.expected_watch_s([0, 0], [-1, 5])
    with pytest.raises(WorldError, match="positions: expected 0-based slots, got -1"):
        world.click_probability([0], [0], [-1])
    with pytest.raises(WorldError, match="num_impressions: expected 1 or more"):
        world.history(0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_users": 0}, "num_users: expected 1 or more, got 0"),
        ({"num_topics": 99}, "num_topics: expected 1 to 24, got 99"),
        ({"seed": -1}, "seed: expected 0 or more"),
        ({"start": datetime(2026, 1, 1)}, "start: expected a time with a zone"),
        ({"popular_share": 0.8, "taste_share": 0.2}, "some exploration is left"),
        ({"backlog_share": 0.0}, "backlog_share: expected above 0"),
    ],
)
def test_impossible_worlds_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(WorldError, match=message):
        WorldConfig(**changes)


def test_a_world_without_enough_videos_for_a_slate_is_refused() -> None:
    with pytest.raises(WorldError, match="fewer than the slate_size of 10"):
        World(WorldConfig(num_videos=8)).history(10)


def test_the_start_is_where_the_config_says() -> None:
    config = WorldConfig(num_users=2, num_videos=50, start=datetime(2025, 6, 1, tzinfo=UTC))
    assert config.start_us == 1_748_736_000_000_000
    assert (World(config).history(10).user_updates["time_us"] == config.start_us).all()
