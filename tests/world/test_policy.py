"""The propensity logged with a slot is the frequency with which it happens."""

from __future__ import annotations

import numpy as np
import pytest

from shortlist.world import History, World, WorldConfig
from shortlist.world.config import DAY_US
from shortlist.world.policy import LoggingPolicy

# A few videos are out at noon of the first day, some of them for adults only; the rest comes later.
TINY = WorldConfig(
    seed=5,
    num_users=40,
    num_videos=10,
    num_creators=6,
    num_topics=3,
    num_days=2,
    slate_size=3,
    backlog_share=0.7,
)


@pytest.mark.parametrize("adult", [False, True])
def test_propensity_is_the_observed_frequency(adult: bool) -> None:
    world = World(TINY)
    world.catalogue.explicit[:] = np.arange(10) % 5 == 1
    policy = LoggingPolicy(TINY, world.people, world.catalogue)
    policy.begin_day(0, np.arange(10) % 4)
    user = int(np.flatnonzero(world.people.adult == adult)[0])
    num_slates, noon_us = 60_000, TINY.start_us + DAY_US // 2
    slates, propensities = policy.choose(
        np.full(num_slates, user), np.full(num_slates, noon_us), np.random.default_rng(9)
    )

    out = set(range(world.catalogue.num_published(noon_us)))
    assert len(out) < 10
    allowed = out if adult else {video for video in out if not world.catalogue.explicit[video]}
    assert set(slates.ravel().tolist()) == allowed
    for slot in range(3):
        above, above_of, num_above = np.unique(
            slates[:, :slot], axis=0, return_inverse=True, return_counts=True
        )
        for number in range(len(above)):
            mine = above_of.ravel() == number
            total = 0.0
            for video in allowed - set(above[number].tolist()):
                here = mine & (slates[:, slot] == video)
                if not here.any():  # a rare slate may not have come up
                    continue
                chance = propensities[here, slot]
                np.testing.assert_allclose(chance, chance[0])
                total += chance[0]
                error = np.sqrt(chance[0] * (1 - chance[0]) / num_above[number])
                assert abs(here.sum() / num_above[number] - chance[0]) < 5 * error + 1e-9
            assert total <= 1 + 1e-9
            assert total > 0.999 or num_above[number] < 500


def test_weights_to_the_uniform_policy_average_to_one(world: World, history: History) -> None:
    """Mean of (uniform chance / propensity) is the share of the catalogue not above the slot."""
    truth, shown = history.truth, history.impressions
    by_audience = [
        np.sort(world.videos["published_us"][~world.videos["explicit"]]),
        world.videos["published_us"],
    ]
    adult = world.users["adult"][truth["user"]]
    num_out = np.where(
        adult, *(np.searchsorted(times, shown["time_us"], side="right") for times in reversed(by_audience))
    )
    for slot in range(world.config.slate_size):
        here = shown["position"] == slot
        weights = 1.0 / (num_out[here] - slot) / shown["propensity"][here]
        assert abs(weights.mean() - 1.0) < 4.5 * weights.std() / np.sqrt(here.sum())


def test_popularity_forgets() -> None:
    world = World(TINY)
    policy = LoggingPolicy(TINY, world.people, world.catalogue)

    def chance_of_first(day: int, clicks: np.ndarray) -> float:
        policy.begin_day(day, clicks)
        users, now = np.zeros(3000, dtype=np.int64), np.full(3000, TINY.start_us + day * DAY_US)
        slates, propensities = policy.choose(users, now, np.random.default_rng(1))
        return float(propensities[slates[:, 0] == 0, 0][0])

    quiet = np.zeros(10)
    before = chance_of_first(0, quiet)
    after = chance_of_first(0, np.where(np.arange(10) == 0, 50.0, 0.0))
    later = [chance_of_first(0, quiet) for _ in range(8)]
    assert after > before
    assert later == sorted(later, reverse=True)
    assert later[-1] < after
