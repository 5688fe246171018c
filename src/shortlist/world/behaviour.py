"""How people react to what they are shown: the truth that a recommender tries to learn.

A click is examination (did the eye get there) times attraction (does it appeal) times freshness
(how often the session brought the like already). Clickbait raises attraction and lowers watching.
Watch time is exponential, cut off by the end of the video.

Shapes: N pairs of user and video, S sessions, K slots, H earlier exposures of the session.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from shortlist.world.catalogue import Catalogue
    from shortlist.world.people import People

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Reactions:
    """What people did with the slots of a slate: arrays of one shape.

    Attributes:
        clicked: bool.
        watch_s: float seconds, 0 where not clicked, never above the video's duration.
        liked: bool, only where clicked.
    """

    clicked: NDArray[np.bool_]
    watch_s: Floats
    liked: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """The constants of the response model; `*_pull` are weights on the logit of a click."""

    intercept: float = -1.2
    interest_pull: float = 1.2
    trait_pull: float = 0.8
    quality_pull: float = 0.5
    clickbait_pull: float = 1.2
    forbidden_pull: float = -3.0
    position_slope: float = 0.35
    topic_tiring: float = 0.93
    creator_tiring: float = 0.8
    repeat_tiring: float = 0.4
    least_freshness: float = 0.2
    typical_watch_s: float = 32.0
    like_intercept: float = -1.6

    def attraction(self, people: People, catalogue: Catalogue, users_N: Ints, videos_N: Ints) -> Floats:
        """Chance that a user who looks at a video clicks it."""
        forbidden_N = catalogue.explicit[videos_N] & ~people.adult[users_N]
        return _sigmoid(
            self.intercept
            + self.interest_pull * people.interests[users_N, catalogue.topic[videos_N]]
            + self.trait_pull * _trait_match(people, catalogue, users_N, videos_N)
            + self.quality_pull * catalogue.quality[videos_N]
            + self.clickbait_pull * catalogue.clickbait[videos_N]
            + self.forbidden_pull * forbidden_N
        )

    def examination(self, people: People, users_N: Ints, positions_N: Ints) -> Floats:
        """Chance that a user's eye reaches a slot; 1 at position 0, then a power of the position."""
        looked_N: Floats = (1.0 + positions_N) ** (-self.position_slope / people.patience[users_N])
        return looked_N

    def freshness(self, catalogue: Catalogue, earlier_SH: Ints, slate_SK: Ints) -> Floats:
        """Factor on each slot's click chance for what the session has shown before it.

        Every earlier exposure (clicked or not) of the topic, of the creator and of the very video
        tires by its own factor, down to a floor.

        Args:
            catalogue: the videos.
            earlier_SH: videos of the session's earlier slates, -1 for none.
            slate_SK: the slate.

        Returns:
            float64 [S, K] in (0, 1].
        """
        shown = np.concatenate([earlier_SH, slate_SK], axis=1)
        topics = np.where(shown >= 0, catalogue.topic[shown], -1)
        creators = np.where(shown >= 0, catalogue.creator[shown], -1)
        num_earlier = earlier_SH.shape[1]
        factor_SK = np.ones(slate_SK.shape)
        for slot in range(slate_SK.shape[1]):
            here = num_earlier + slot
            for column, tiring in (
                (topics, self.topic_tiring),
                (creators, self.creator_tiring),
                (shown, self.repeat_tiring),
            ):
                factor_SK[:, slot] *= tiring ** (column[:, :here] == column[:, here : here + 1]).sum(axis=1)
        return np.maximum(factor_SK, self.least_freshness)

    def mean_interest_s(self, people: People, catalogue: Catalogue, users_N: Ints, videos_N: Ints) -> Floats:
        """Mean seconds a clicking user would watch if the video never ended."""
        drive_N = (
            0.4 * people.interests[users_N, catalogue.topic[videos_N]]
            + 0.3 * _trait_match(people, catalogue, users_N, videos_N)
            + 0.4 * catalogue.quality[videos_N]
            - 1.5 * catalogue.clickbait[videos_N]
        )
        seconds_N: Floats = self.typical_watch_s * np.exp(np.clip(drive_N, -3.0, 3.0))
        return seconds_N

    def expected_watch_s(self, people: People, catalogue: Catalogue, users_N: Ints, videos_N: Ints) -> Floats:
        """Mean of min(Exponential(m), duration) = m (1 - exp(-duration / m)), given a click."""
        mean_N = self.mean_interest_s(people, catalogue, users_N, videos_N)
        return mean_N * -np.expm1(-catalogue.duration_s[videos_N] / mean_N)

    def like_probability(
        self, people: People, catalogue: Catalogue, users_N: Ints, videos_N: Ints, watch_s_N: Floats
    ) -> Floats:
        """Chance of a like after watching so many seconds; nobody likes what they did not watch."""
        completion_N = watch_s_N / catalogue.duration_s[videos_N]
        return completion_N * _sigmoid(
            self.like_intercept
            + people.interests[users_N, catalogue.topic[videos_N]]
            + 0.8 * catalogue.quality[videos_N]
            - catalogue.clickbait[videos_N]
        )

    def react(
        self,
        people: People,
        catalogue: Catalogue,
        users_N: Ints,
        videos_N: Ints,
        click_chance_N: Floats,
        random: np.random.Generator,
    ) -> Reactions:
        """Draw clicks with the given chances, and watching and likes for what was clicked."""
        clicked = random.random(len(videos_N)) < click_chance_N
        wanted_s = random.exponential(self.mean_interest_s(people, catalogue, users_N, videos_N))
        watch_s = np.where(clicked, np.minimum(wanted_s, catalogue.duration_s[videos_N]), 0.0)
        like_chance = self.like_probability(people, catalogue, users_N, videos_N, watch_s)
        return Reactions(clicked, watch_s, random.random(len(videos_N)) < like_chance)


def _trait_match(people: People, catalogue: Catalogue, users_N: Ints, videos_N: Ints) -> Floats:
    match_N: Floats = np.einsum("...d,...d->...", people.traits[users_N], catalogue.traits[videos_N])
    return match_N


def _sigmoid(logit_N: Floats) -> Floats:
    chance_N: Floats = 1.0 / (1.0 + np.exp(-logit_N))
    return chance_N
