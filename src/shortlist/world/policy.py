"""How the platform chose before there was a recommender: popularity, a rough idea of taste, and chance.

Every slot draws from one mixture over the videos not yet in the slate. The propensity logged with a
slot is exact: the chance of that video in that slot, given the slots above it.

Shapes: S slates, K slots, T topics, U users, V videos.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist.world.catalogue import Catalogue
from shortlist.world.config import DAY_US, WorldConfig, WorldError
from shortlist.world.people import People
from shortlist.world.shelves import Shelves

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

POPULARITY_HALF_LIFE_DAYS = 2.0
# What a famous creator's video is worth before anybody clicked it, in clicks a user of the platform.
HEAD_START = 1.0
# Above 1 the rich get richer.
POPULARITY_BIAS = 1.2
TASTE_NOISE = 0.7
TASTE_SHARPNESS = 1.5


class LoggingPolicy:
    """The policy that wrote the history.

    Args:
        config: shares of the mixture, slots of a slate.
        people: whose taste it guesses.
        catalogue: what it chooses from.

    Raises:
        WorldError: too few videos are out at the start to fill a slate for everybody.
    """

    def __init__(self, config: WorldConfig, people: People, catalogue: Catalogue) -> None:
        self._config, self._people, self._catalogue = config, people, catalogue
        self._shelves = Shelves(catalogue)
        noise_UT = config.random("taste").normal(0.0, TASTE_NOISE, people.interests.shape)
        self._taste_UT = np.exp(TASTE_SHARPNESS * (people.interests + noise_UT))
        self._clicks_V = np.zeros(len(catalogue))
        self._popular_2V = np.zeros((2, len(catalogue)))

        fewest = int(self._shelves.num_out(np.array([0]), np.array([config.start_us])).sum())
        if fewest < config.slate_size:
            raise WorldError(
                f"num_videos: {fewest} videos fit for everybody are out at the start, fewer than "
                f"the slate_size of {config.slate_size}; raise num_videos "
                f"(now {config.num_videos}) or backlog_share"
            )

    def begin_day(self, day: int, clicks_V: NDArray[np.int64] | Floats) -> None:
        """Learn the clicks of the day before: popularity is renewed at midnight, as a nightly job would."""
        self._clicks_V *= 0.5 ** (1.0 / POPULARITY_HALF_LIFE_DAYS)
        self._clicks_V += clicks_V
        midnight_us = self._config.start_us + day * DAY_US
        age_days_V = (midnight_us - self._catalogue.published_us) / DAY_US
        expected_V = (
            HEAD_START * len(self._people) * self._catalogue.fame / (1.0 + np.maximum(age_days_V, 0.0))
        )
        weights_V = (self._clicks_V + expected_V) ** POPULARITY_BIAS * (age_days_V >= 0)
        self._popular_2V = np.stack([weights_V * ~self._catalogue.explicit, weights_V])
        self._popular_2V /= self._popular_2V.sum(axis=1, keepdims=True)

    def choose(
        self, users_S: Ints, time_us_S: Ints, random: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Fill one slate for each user.

        Returns:
            videos int64 [S, K], all different within a slate, and their propensities float64 [S, K].
        """
        audience_S = self._people.adult[users_S].astype(np.int64)
        out_ST = self._shelves.num_out(audience_S, time_us_S)
        topic_ST = self._topic_chances(users_S, out_ST)
        cumulative_2V, cumulative_ST = np.cumsum(self._popular_2V, axis=1), np.cumsum(topic_ST, axis=1)

        def draw(rows: Ints) -> Ints:
            by_popularity = random.random(len(rows)) < self._config.popular_share
            drawn = np.empty(len(rows), dtype=np.int64)
            for audience in (0, 1):
                mine = np.flatnonzero(by_popularity & (audience_S[rows] == audience))
                drawn[mine] = _pick(cumulative_2V[audience], random.random(len(mine)))
            mine = np.flatnonzero(~by_popularity)
            rows = rows[mine]
            topic = _pick_rows(cumulative_ST[rows], random.random(len(rows)))
            place = (random.random(len(rows)) * out_ST[rows, topic]).astype(np.int64)
            drawn[mine] = self._shelves.take(audience_S[rows], topic, place)
            return drawn

        videos_SK = np.full((len(users_S), self._config.slate_size), -1, dtype=np.int64)
        for slot in range(self._config.slate_size):
            pending = np.arange(len(users_S))
            while len(pending):  # drawing again until new is the mixture without the videos above
                drawn = draw(pending)
                pending_is_new = (videos_SK[pending, :slot] != drawn[:, None]).all(axis=1)
                videos_SK[pending[pending_is_new], slot] = drawn[pending_is_new]
                pending = pending[~pending_is_new]

        chance_SK = self._config.popular_share * self._popular_2V[audience_S[:, None], videos_SK]
        topics_SK = self._catalogue.topic[videos_SK]
        from_topic_ST = topic_ST / np.maximum(out_ST, 1)
        chance_SK += (1.0 - self._config.popular_share) * np.take_along_axis(from_topic_ST, topics_SK, axis=1)
        above_SK = np.cumsum(chance_SK, axis=1) - chance_SK
        return videos_SK, np.minimum(chance_SK / (1.0 - above_SK), 1.0)

    def _topic_chances(self, users_S: Ints, out_ST: Ints) -> Floats:
        """Topic of a slot not filled by popularity: by taste, or in proportion to what is out (uniform)."""
        taste_ST = self._taste_UT[users_S] * (out_ST > 0)
        taste_ST /= taste_ST.sum(axis=1, keepdims=True)
        uniform_ST = out_ST / out_ST.sum(axis=1, keepdims=True)
        rest = self._config.taste_share + self._config.uniform_share
        chances_ST: Floats = (
            self._config.taste_share * taste_ST + self._config.uniform_share * uniform_ST
        ) / rest
        return chances_ST


def _pick(cumulative: Floats, uniform: Floats) -> Ints:
    """Choose columns by weight; a column of weight zero is never chosen, whatever the rounding."""
    threshold = np.minimum(uniform * cumulative[-1], np.nextafter(cumulative[-1], 0.0))
    picked: Ints = np.searchsorted(cumulative, threshold, side="right")
    return picked


def _pick_rows(cumulative_ST: Floats, uniform_S: Floats) -> Ints:
    total_S = cumulative_ST[:, -1]
    threshold_S = np.minimum(uniform_S * total_S, np.nextafter(total_S, 0.0))
    picked_S: Ints = (cumulative_ST <= threshold_S[:, None]).sum(axis=1)
    return picked_S
