"""The response model against plain loops, and the orderings it promises."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.world import Behaviour, World, WorldConfig

SMALL = World(WorldConfig(seed=1, num_users=30, num_videos=60, num_creators=4, num_topics=3))
numbers = st.integers(0, 59)


@given(
    sessions=st.lists(
        st.tuples(
            st.lists(st.one_of(numbers, st.just(-1)), min_size=4, max_size=4),
            st.lists(numbers, min_size=3, max_size=3),
        ),
        min_size=1,
        max_size=5,
    )
)
@settings(max_examples=80, deadline=None)
def test_freshness_counts_what_came_before(sessions: list[tuple[list[int], list[int]]]) -> None:
    behaviour, catalogue = Behaviour(), SMALL.catalogue
    answer = behaviour.freshness(
        catalogue, np.array([earlier for earlier, _ in sessions]), np.array([slate for _, slate in sessions])
    )
    for row, (earlier, slate) in enumerate(sessions):
        before = [video for video in earlier if video >= 0]
        for slot, video in enumerate(slate):
            factor = 1.0
            for other in before:
                factor *= behaviour.topic_tiring if catalogue.topic[other] == catalogue.topic[video] else 1
                factor *= (
                    behaviour.creator_tiring if catalogue.creator[other] == catalogue.creator[video] else 1
                )
                factor *= behaviour.repeat_tiring if other == video else 1
            np.testing.assert_allclose(answer[row, slot], max(factor, behaviour.least_freshness))
            before.append(video)


def test_clickbait_is_clicked_more_and_watched_less() -> None:
    world = World(WorldConfig(seed=1, num_users=30, num_videos=60, num_creators=4, num_topics=3))
    users, videos = np.arange(30), np.arange(30)
    clicks, watch_s = world.click_probability(users, videos, 0), world.expected_watch_s(users, videos)
    world.catalogue.clickbait[:] += 0.5
    assert (world.click_probability(users, videos, 0) > clicks).all()
    assert (world.expected_watch_s(users, videos) < watch_s).all()


def test_minors_are_put_off_by_explicit_videos() -> None:
    world = World(WorldConfig(seed=1, num_users=30, num_videos=60, num_creators=4, num_topics=3))
    minors = np.flatnonzero(~world.people.adult)
    world.catalogue.explicit[:] = False
    allowed = world.click_probability(minors, 0, 0)
    world.catalogue.explicit[:] = True
    assert (world.click_probability(minors, 0, 0) < 0.5 * allowed).all()


def test_expected_watch_is_the_mean_of_censored_draws() -> None:
    behaviour, rng = SMALL.config.behaviour, np.random.default_rng(0)
    users, videos = np.full(50_000, 3), np.full(50_000, 11)
    reactions = behaviour.react(SMALL.people, SMALL.catalogue, users, videos, np.ones(50_000), rng)
    assert reactions.clicked.all()
    assert (reactions.watch_s == SMALL.catalogue.duration_s[11]).any()
    error = reactions.watch_s.std() / np.sqrt(50_000)
    assert abs(reactions.watch_s.mean() - SMALL.expected_watch_s(3, 11)) < 4.5 * error


def test_examination_falls_with_the_position_and_slower_for_the_patient() -> None:
    behaviour = SMALL.config.behaviour
    order = np.argsort(SMALL.people.patience)
    seen = np.array([behaviour.examination(SMALL.people, order, np.full(30, slot)) for slot in range(10)])
    assert (seen[0] == 1.0).all()
    assert (np.diff(seen, axis=0) < 0).all()
    assert (np.diff(seen[1:], axis=1) >= 0).all()
