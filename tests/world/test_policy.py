"""The propensity logged with a slot is the frequency with which it happens."""

from __future__ import annotations

import numpy as np
import pytest

from shortlist.world import History, World, WorldConfig
from shortlist.world.config import DAY_US
from shortlist.world.policy import LoggingPolicy
from shortlist.world.shelves import Shelves

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


def test_weights_by_the_logged_propensity_give_the_uniform_policy(world: World, history: History) -> None:
    """Weighted by (uniform chance / propensity), what was shown averages as if drawn at random.

    Fame is averaged, because the old platform favoured it most: a propensity that belongs to another
    slot or user cannot undo that.
    """
    truth, shown, catalogue = history.truth, history.impressions, world.catalogue
    num_out, fame_out = np.zeros(len(truth["user"])), np.zeros(len(truth["user"]))
    adult = world.users["adult"][truth["user"]]
    for audience in (False, True):
        allowed = np.flatnonzero(~catalogue.explicit | audience)
        mine = adult == audience
        num_out[mine] = np.searchsorted(catalogue.published_us[allowed], shown["time_us"][mine], side="right")
        fame_out[mine] = np.cumsum(catalogue.fame[allowed])[num_out[mine].astype(int) - 1]

    slate_size = world.config.slate_size
    fame = catalogue.fame[truth["video"]].reshape(-1, slate_size)
    fame_above = np.cumsum(fame, axis=1) - fame
    for slot in range(slate_size):
        here = shown["position"] == slot
        weights = 1.0 / (num_out[here] - slot) / shown["propensity"][here]
        wanted = (fame_out[here] - fame_above[:, slot]) / (num_out[here] - slot)
        for excess in (weights - 1.0, weights * fame[:, slot] - wanted):
            assert abs(excess.mean()) < 4.5 * excess.std() / np.sqrt(len(excess))


def test_shelves_hold_what_is_out_at_the_very_microsecond() -> None:
    catalogue = World(TINY).catalogue
    shelves = Shelves(catalogue)
    times = np.concatenate([catalogue.published_us + shift for shift in (-1, 0, 1)])
    for audience in (0, 1):
        audiences = np.full(len(times), audience)
        counts = shelves.num_out(audiences, times)
        for row, time_us in enumerate(times):
            for topic in range(3):
                out = np.flatnonzero(
                    (catalogue.published_us <= time_us)
                    & (catalogue.topic == topic)
                    & (~catalogue.explicit | bool(audience))
                )
                assert counts[row, topic] == len(out)
                places = np.arange(len(out))
                taken = shelves.take(np.full(len(out), audience), np.full(len(out), topic), places)
                assert taken.tolist() == out.tolist()


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
