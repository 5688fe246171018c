"""What there is to watch: creators, topics, and videos that keep being published.

Shapes: V videos in order of publication, K creators, T topics, D traits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.world.config import DAY_US, WorldConfig
from shortlist.world.words import BAIT_TITLES, FIRST_NAMES, LAST_NAMES, PLAIN_TITLES, TOPICS, write_title

# Hidden tastes that no topic name tells: what factor models can find and topic counts cannot.
NUM_TRAITS = 6
BAIT_TITLE_ABOVE = 0.55


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """All videos, by number in order of publication: what is out at a time is a prefix.

    Attributes:
        topic_names: T readable names.
        creator_names: K unique names.
        title: [V] readable titles.
        creator: [V] int64, the creator's number.
        topic: [V] int64, the topic's number.
        quality: [V] float, about standard normal.
        clickbait: [V] float in [0, 1]: promises more than it holds.
        explicit: [V] for adults only.
        duration_s: [V] float, seconds.
        published_us: [V] int64, UTC microseconds, ascending.
        traits: [V, D] float, hidden character; unit expected length.
        fame: [V] float, the standing of the creator; sums to 1 over creators.
    """

    topic_names: list[str]
    creator_names: list[str]
    title: NDArray[np.str_]
    creator: NDArray[np.int64]
    topic: NDArray[np.int64]
    quality: NDArray[np.float64]
    clickbait: NDArray[np.float64]
    explicit: NDArray[np.bool_]
    duration_s: NDArray[np.float64]
    published_us: NDArray[np.int64]
    traits: NDArray[np.float64]
    fame: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.topic)

    def num_published(self, time_us: int) -> int:
        """Count the videos out at a time: exactly those numbered below the answer."""
        return int(np.searchsorted(self.published_us, time_us, side="right"))


def publish(config: WorldConfig) -> Catalogue:
    """Invent the creators and everything they upload before and during the simulated days."""
    random = config.random("catalogue")
    num_creators, num_videos, num_topics = config.num_creators, config.num_videos, config.num_topics

    # Few creators are famous and upload more; each has a home topic, a level and a style.
    fame_K = random.permutation(np.arange(1.0, num_creators + 1.0)) ** -0.8
    fame_K /= fame_K.sum()
    home_topic_K = random.choice(num_topics, num_creators, p=_topic_shares(num_topics))
    level_K = random.normal(0.0, 0.7, num_creators)
    bait_K = random.beta(1.2, 3.0, num_creators)
    explicit_K = random.random(num_creators) < 0.06
    traits_KD = random.normal(size=(num_creators, NUM_TRAITS))

    upload_shares_K = np.sqrt(fame_K)
    creator_V = random.choice(num_creators, num_videos, p=upload_shares_K / upload_shares_K.sum())
    strays_V = random.random(num_videos) < 0.2
    topic_V = np.where(strays_V, random.integers(0, num_topics, num_videos), home_topic_K[creator_V])
    clickbait_V = np.clip(bait_K[creator_V] + random.normal(0.0, 0.1, num_videos), 0.0, 1.0)
    traits_VD = 0.8 * traits_KD[creator_V] + 0.6 * random.normal(size=(num_videos, NUM_TRAITS))
    explicit_chance_V = np.where(explicit_K[creator_V], 0.7, 0.01)
    topic_names = list(TOPICS)[:num_topics]
    return Catalogue(
        topic_names=topic_names,
        creator_names=_creator_names(num_creators, random),
        title=_titles(topic_names, topic_V, clickbait_V, random),
        creator=creator_V,
        topic=topic_V,
        quality=level_K[creator_V] + random.normal(0.0, 0.7, num_videos),
        clickbait=clickbait_V,
        explicit=random.random(num_videos) < explicit_chance_V,
        duration_s=np.clip(np.exp(random.normal(np.log(45.0), 0.6, num_videos)), 8.0, 180.0).round(1),
        published_us=_publication_times(config, random),
        traits=traits_VD / np.sqrt(NUM_TRAITS),
        fame=fame_K[creator_V],
    )


def _topic_shares(num_topics: int) -> NDArray[np.float64]:
    shares_T = 1.0 / (3.0 + np.arange(num_topics, dtype=np.float64))
    total = float(shares_T.sum())
    return shares_T / total


def _publication_times(config: WorldConfig, random: np.random.Generator) -> NDArray[np.int64]:
    """Spread the backlog over the days before the start, the uploads evenly over the simulated days."""
    num_backlog = max(1, round(config.backlog_share * config.num_videos))
    num_uploads = config.num_videos - num_backlog
    backlog_days = np.sort(random.uniform(-config.backlog_days, 0.0, num_backlog))
    upload_days = (
        (np.arange(num_uploads) + random.random(num_uploads)) * config.num_days / max(1, num_uploads)
    )
    times_V: NDArray[np.int64] = config.start_us + (
        np.concatenate([backlog_days, upload_days]) * DAY_US
    ).astype(np.int64)
    return times_V


def _creator_names(num_creators: int, random: np.random.Generator) -> list[str]:
    """Draw unique names; a number is added when the pairs of names run out."""
    num_pairs = len(FIRST_NAMES) * len(LAST_NAMES)
    pairs = random.permutation(num_pairs)
    names = []
    for creator in range(num_creators):
        first, last = divmod(int(pairs[creator % num_pairs]), len(LAST_NAMES))
        again = f" {creator // num_pairs + 1}" if creator >= num_pairs else ""
        names.append(f"{FIRST_NAMES[first]} {LAST_NAMES[last]}{again}")
    return names


def _titles(
    topic_names: list[str],
    topic_V: NDArray[np.int64],
    clickbait_V: NDArray[np.float64],
    random: np.random.Generator,
) -> NDArray[np.str_]:
    draws_V2 = random.random((len(topic_V), 2))
    titles = []
    for topic, clickbait, (which_subject, which_template) in zip(topic_V, clickbait_V, draws_V2, strict=True):
        subjects = TOPICS[topic_names[topic]]
        templates = BAIT_TITLES if clickbait > BAIT_TITLE_ABOVE else PLAIN_TITLES
        subject = subjects[int(which_subject * len(subjects))]
        titles.append(write_title(templates[int(which_template * len(templates))], subject))
    return np.array(titles)
