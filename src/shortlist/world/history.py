"""Days of life on the old platform, written down as a log would have it.

Shapes: N impressions, S slates (or sessions that ask for one), K slots, V videos.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.world.catalogue import Catalogue
from shortlist.world.config import DAY_US, SECOND_US, WorldConfig
from shortlist.world.people import People
from shortlist.world.policy import LoggingPolicy
from shortlist.world.words import COUNTRIES

Columns = dict[str, NDArray[Any]]
Progress = Callable[[int, int], None]

TRUTH = ("user", "video", "session", "freshness", "click_probability", "clicked", "watch_s", "liked")
MOST_SLATES_A_SESSION = 5
GLANCE_S = 1.5
PAUSE_BETWEEN_SLATES_S = 20.0
# Attribution windows of half an hour must hold whatever a slate led to.
LAST_REACTION_S = 29 * 60.0
# Sessions by local hour: low at night, a bump at noon, high in the evening.
HOURLY_WEIGHT = np.array(
    [3, 2, 1, 1, 1, 1, 2, 4, 5, 5, 5, 6, 8, 7, 6, 6, 7, 8, 10, 12, 13, 12, 9, 6], dtype=float
)


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Column dictionaries in order of time, ready for a bulk import.

    Attributes:
        impressions: user, video, position (0-based), slate, propensity (exact chance of this video in
            this slot given the slots above it), time_us.
        watches: user, video, watch_s, time_us (when the watching ended). One for every click.
        likes: user, video, time_us.
        user_updates: user, country, adult, time_us (start of the world).
        video_updates: video, creator, topic, title, duration_s, explicit, published_us, time_us.
        truth: one row an impression, what only a simulator knows and no import may see: user, video
            (numbers), session (shared by the slates of one visit), freshness (fatigue factor),
            click_probability (with fatigue), clicked, watch_s, liked.
    """

    impressions: Columns
    watches: Columns
    likes: Columns
    user_updates: Columns
    video_updates: Columns
    truth: Columns


def simulate(
    config: WorldConfig,
    people: People,
    catalogue: Catalogue,
    num_impressions: int,
    progress: Progress | None,
) -> Columns:
    """Live through the days of a world.

    Args:
        config: the world's.
        people: the world's.
        catalogue: the world's.
        num_impressions: N, exactly; spread evenly over the days.
        progress: called after each day with (impressions so far, N).

    Returns:
        One row an impression in order of time, by number: user, video, session, position, slate, propensity,
        time_us, freshness, click_probability, clicked, watch_s, liked, reacted_us.
    """
    random = config.random("history")
    policy = LoggingPolicy(config, people, catalogue)
    num_slates = -(-num_impressions // config.slate_size)
    rounds: list[Columns] = []
    clicks_V = np.zeros(len(catalogue), dtype=np.int64)
    slates_so_far = 0
    for day in range(config.num_days):
        policy.begin_day(day, clicks_V)
        slates_until = num_slates * (day + 1) // config.num_days
        today = list(
            _live_one_day(day, slates_until - slates_so_far, config, people, catalogue, policy, random)
        )
        clicks_V = np.zeros_like(clicks_V)
        for one_round in today:
            clicks_V += np.bincount(one_round["video"][one_round["clicked"]], minlength=len(catalogue))
        rounds += today
        slates_so_far = slates_until
        if progress is not None:
            progress(min(slates_so_far * config.slate_size, num_impressions), num_impressions)
    return _in_order_of_time(rounds, num_impressions)


def _live_one_day(
    day: int,
    num_slates: int,
    config: WorldConfig,
    people: People,
    catalogue: Catalogue,
    policy: LoggingPolicy,
    random: np.random.Generator,
) -> Iterator[Columns]:
    """Let sessions ask for slate after slate; one round serves every session that goes on."""
    lengths_S = np.minimum(random.geometric(0.45, num_slates), MOST_SLATES_A_SESSION)
    lengths_S = np.diff(np.minimum(np.cumsum(lengths_S), num_slates), prepend=0)
    lengths_S = lengths_S[lengths_S > 0]
    users_S = random.choice(len(people), len(lengths_S), p=people.activity)
    time_us_S = config.start_us + day * DAY_US + _time_of_day_us(people.country[users_S], random)
    sessions_S = (day << 32) + np.arange(len(users_S))
    shown_SH = np.full((len(users_S), 0), -1, dtype=np.int64)
    while len(users_S):
        videos_SK, propensity_SK = policy.choose(users_S, time_us_S, random)
        freshness_SK = config.behaviour.freshness(catalogue, shown_SH, videos_SK)
        num_slots = config.slate_size
        users_N, videos_N = np.repeat(users_S, num_slots), videos_SK.ravel()
        positions_N = np.tile(np.arange(num_slots), len(users_S))
        chance_N = (
            config.behaviour.examination(people, users_N, positions_N)
            * config.behaviour.attraction(people, catalogue, users_N, videos_N)
            * freshness_SK.ravel()
        )
        reactions = config.behaviour.react(people, catalogue, users_N, videos_N, chance_N, random)
        spent_s_SK = np.cumsum(GLANCE_S + reactions.watch_s.reshape(videos_SK.shape), axis=1)
        yield {
            "user": users_N,
            "video": videos_N,
            "session": np.repeat(sessions_S, num_slots),
            "position": positions_N,
            "propensity": propensity_SK.ravel(),
            "time_us": np.repeat(time_us_S, num_slots),
            "freshness": freshness_SK.ravel(),
            "click_probability": chance_N,
            "clicked": reactions.clicked,
            "watch_s": reactions.watch_s,
            "liked": reactions.liked,
            "reacted_us": np.repeat(time_us_S, num_slots)
            + _to_us(np.minimum(spent_s_SK, LAST_REACTION_S).ravel()),
        }
        pause_s_S = random.exponential(PAUSE_BETWEEN_SLATES_S, len(users_S))
        lengths_S = lengths_S - 1
        goes_on = lengths_S > 0
        time_us_S = (time_us_S + _to_us(spent_s_SK[:, -1] + pause_s_S))[goes_on]
        shown_SH = np.concatenate([shown_SH, videos_SK], axis=1)[goes_on]
        sessions_S, users_S, lengths_S = sessions_S[goes_on], users_S[goes_on], lengths_S[goes_on]


def _time_of_day_us(country_S: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.int64]:
    hours_ahead = np.array([hours for _, _, hours in COUNTRIES])
    local_hour_S = random.choice(24, len(country_S), p=HOURLY_WEIGHT / HOURLY_WEIGHT.sum())
    hour_S = (local_hour_S + random.random(len(country_S)) - hours_ahead[country_S]) % 24.0
    return _to_us(hour_S * 3600.0)


def _in_order_of_time(rounds: list[Columns], num_impressions: int) -> Columns:
    """Join the rounds, sort the slates by time, number them, and cut the last one to the exact count."""
    joined = {name: np.concatenate([part[name] for part in rounds]) for name in rounds[0]}
    slate_of_row = np.cumsum(joined["position"] == 0) - 1
    order = np.lexsort((joined["position"], slate_of_row, joined["time_us"]))[:num_impressions]
    ordered = {name: column[order] for name, column in joined.items()}
    ordered["slate"] = np.cumsum(ordered["position"] == 0) - 1
    return ordered


def _to_us(seconds: NDArray[np.float64]) -> NDArray[np.int64]:
    return (seconds * SECOND_US).astype(np.int64)
