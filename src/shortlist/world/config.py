"""What a world is made of: its size, its calendar, its people's habits, how its old platform chose."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from shortlist.world.behaviour import Behaviour
from shortlist.world.words import TOPICS

SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US


class WorldError(ValueError):
    """A world was asked for something it cannot be or do."""


@dataclass(frozen=True, slots=True)
class WorldConfig:
    """One world. The same config gives the same arrays, always.

    Attributes:
        seed: of everything random; users and videos draw from streams of their own, so that more
            users do not change the videos.
        num_users: people on the platform.
        num_videos: videos, the backlog and the uploads of the simulated days together.
        num_creators: people who upload.
        num_topics: subjects, at most the number of `words.TOPICS`.
        num_days: simulated days of history.
        start: midnight of the first day; must carry a time zone.
        slate_size: slots of one answer of the old platform.
        backlog_share: share of the videos that exist before `start`.
        backlog_days: how far back the backlog reaches.
        popular_share: chance that the old platform fills a slot by time-decayed popularity.
        taste_share: chance that it fills a slot by its noisy idea of the user's taste. The rest is
            drawn uniformly: exploration.
        behaviour: how people react.
    """

    seed: int = 0
    num_users: int = 2000
    num_videos: int = 4000
    num_creators: int = 400
    num_topics: int = 24
    num_days: int = 14
    start: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    slate_size: int = 10
    backlog_share: float = 0.6
    backlog_days: int = 60
    popular_share: float = 0.6
    taste_share: float = 0.25
    behaviour: Behaviour = field(default_factory=Behaviour)

    def __post_init__(self) -> None:
        for name in ("num_users", "num_videos", "num_creators", "num_days", "slate_size", "backlog_days"):
            if getattr(self, name) < 1:
                raise WorldError(f"{name}: expected 1 or more, got {getattr(self, name)}")
        if self.seed < 0:
            raise WorldError(f"seed: expected 0 or more, got {self.seed}")
        if not 1 <= self.num_topics <= len(TOPICS):
            raise WorldError(f"num_topics: expected 1 to {len(TOPICS)}, got {self.num_topics}")
        if self.start.tzinfo is None:
            raise WorldError(f"start: expected a time with a zone, got {self.start}; add tzinfo=UTC")
        if not 0 < self.backlog_share <= 1:
            raise WorldError(f"backlog_share: expected above 0 and at most 1, got {self.backlog_share}")
        if min(self.popular_share, self.taste_share) < 0 or self.uniform_share <= 0:
            raise WorldError(
                "popular_share and taste_share: expected zero or more each and less than 1 together, so that "
                f"some exploration is left, got {self.popular_share} and {self.taste_share}"
            )

    @property
    def uniform_share(self) -> float:
        """Chance that the old platform fills a slot at random."""
        return 1.0 - self.popular_share - self.taste_share

    @property
    def start_us(self) -> int:
        """Start of the first day, UTC microseconds."""
        return round(self.start.timestamp()) * SECOND_US

    def random(self, stream: str) -> np.random.Generator:
        """Open the stream of random numbers of one part of the world."""
        return np.random.default_rng([self.seed, *stream.encode()])
