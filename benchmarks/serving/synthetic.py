"""A catalogue in clusters and the people near some of them, drawn with numpy, as tables to import.

I clips, G clusters, U people, N impressions, D width, T topics.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

DAY_US = 86_400_000_000
WIDTH = 64
DAYS = 21
NUM_TOPICS = 200
_COUNTRIES = ("at", "br", "de", "fr", "in", "jp", "ng", "us")
_LANGUAGES = ("de", "en", "es", "fr", "hi", "ja", "pt", "yo")
_CLUSTERS_OF_A_PERSON = 4
_CLIPS_OF_A_CREATOR = 25
_SPREAD = 0.7  # the length of a clip's way from its cluster's centre; the centre's own is 1


@dataclass(frozen=True)
class Size:
    """How much of everything."""

    num_items: int
    num_impressions: int = 1_200_000

    @property
    def num_users(self) -> int:
        """People; each sees 25 clips or so, many see two and few see hundreds."""
        return self.num_impressions // 25

    @property
    def num_clusters(self) -> int:
        """Clusters of 250 clips on average, a few thousand of them at a million clips."""
        return max(40, min(4000, self.num_items // 250))


@dataclass(frozen=True)
class Clips:
    """The catalogue, by cluster and within one by falling popularity.

    Attributes:
        vectors: float32 [I, D].
        clusters: int64 [I], non-decreasing.
        starts: int64 [G + 1], where each cluster begins.
        topics: int64 [I]; a cluster has one.
        quality: float64 [I], log-odds that everybody adds.
    """

    vectors: NDArray[np.float32]
    clusters: NDArray[np.int64]
    starts: NDArray[np.int64]
    topics: NDArray[np.int64]
    quality: NDArray[np.float64]


def draw_clips(size: Size, random: np.random.Generator) -> Clips:
    """Draw a mixture of Gaussians of unequal weight."""
    weights_G = random.lognormal(0.0, 0.8, size.num_clusters)
    clusters_I = np.sort(random.choice(size.num_clusters, size.num_items, p=weights_G / weights_G.sum()))
    starts = np.searchsorted(clusters_I, np.arange(size.num_clusters + 1))
    centres_GD = random.standard_normal((size.num_clusters, WIDTH), np.float32)
    centres_GD /= np.linalg.norm(centres_GD, axis=1, keepdims=True)
    vectors_ID = random.standard_normal((size.num_items, WIDTH), np.float32)
    vectors_ID *= np.float32(_SPREAD / np.sqrt(WIDTH))
    vectors_ID += centres_GD[clusters_I]
    topics_I = random.integers(0, NUM_TOPICS, size.num_clusters)[clusters_I]
    return Clips(vectors_ID, clusters_I, starts, topics_I, random.normal(0.0, 0.8, size.num_items))


def write_clips(clips: Clips, folder: Path, start_us: int, random: np.random.Generator) -> None:
    """Write `clips.parquet`, what the log is told, and `vectors.parquet`, what the index is made of."""
    count = len(clips.vectors)
    # Creators keep to their cluster, so that the rule of one clip per creator has something to do.
    creators_I = clips.clusters * 1000 + random.integers(0, 1 + 250 // _CLIPS_OF_A_CREATOR, count)
    table = pl.DataFrame(
        {
            "number": np.arange(count),
            "creator_number": creators_I,
            "topic_number": clips.topics,
            "language": np.asarray(_LANGUAGES)[random.integers(0, len(_LANGUAGES), count)],
            "explicit": random.random(count) < 0.08,
            "duration_s": np.round(random.lognormal(3.5, 0.7, count), 1),
            # Most clips are older than the events; half of them are younger than four months.
            "published": start_us - (random.exponential(170.0, count) * DAY_US).astype(np.int64),
            "known_us": np.full(count, start_us),
        }
    )
    named = table.select(
        clip=pl.format("i{}", "number"),
        creator=pl.format("c{}", "creator_number"),
        topic=pl.format("t{}", "topic_number"),
        language="language",
        explicit="explicit",
        duration_s="duration_s",
        published="published",
        known_us="known_us",
    )
    named.write_parquet(folder / "clips.parquet")
    vectors = pl.Series("vector", clips.vectors).arr.to_list()
    pl.DataFrame([named["clip"].alias("item"), vectors]).write_parquet(folder / "vectors.parquet")


def write_people(clips: Clips, size: Size, folder: Path, start_us: int, random: np.random.Generator) -> int:
    """Write `users.parquet` and the events of `DAYS` days.

    Returns:
        How many events there are.
    """
    num_users, num_clusters = size.num_users, size.num_clusters
    tastes_UG = random.integers(0, num_clusters, (num_users, _CLUSTERS_OF_A_PERSON))
    users = pl.DataFrame(
        {
            "number": np.arange(num_users),
            "country": np.asarray(_COUNTRIES)[random.integers(0, len(_COUNTRIES), num_users)],
            "adult": random.random(num_users) < 0.8,
            "known_us": np.full(num_users, start_us),
        }
    )
    named = users.select(pl.format("u{}", "number").alias("user"), "country", "adult", "known_us")
    named.write_parquet(folder / "users.parquet")

    count = size.num_impressions
    activity_U = random.lognormal(0.0, 1.0, num_users)
    users_N = random.choice(num_users, count, p=activity_U / activity_U.sum())
    items_N, is_liked_place_N = _shown(clips, tastes_UG[users_N], random)
    # The first day is for the catalogue to become known.
    times_N = start_us + DAY_US + np.sort(random.integers(0, (DAYS - 1) * DAY_US, count))
    log_odds_N = -2.0 + 1.5 * is_liked_place_N + clips.quality[items_N]
    is_watch_N = random.random(count) < 1 / (1 + np.exp(-log_odds_N - 0.8))
    watch_s_N = np.round(random.lognormal(3.0 + 0.4 * (log_odds_N + 1.0), 0.6), 1)
    is_like_N = is_watch_N & (random.random(count) < 1 / (1 + np.exp(-log_odds_N + 0.5)))
    shown = pl.DataFrame({"user_number": users_N, "clip_number": items_N, "time_us": times_N})
    for kind, rows_N, delay_us in (
        ("impression", np.ones(count, bool), np.zeros(count, np.int64)),
        ("watch", is_watch_N, (watch_s_N * 1e6).astype(np.int64)),
        ("like", is_like_N, np.full(count, 5_000_000)),
    ):
        rows = shown.with_columns(watch_s=watch_s_N, delay_us=delay_us).filter(pl.Series(rows_N))
        rows.select(
            pl.format("u{}", "user_number").alias("user"),
            pl.format("i{}", "clip_number").alias("clip"),
            pl.col("time_us") + pl.col("delay_us"),
            *(["watch_s"] if kind == "watch" else []),
        ).write_parquet(folder / f"{kind}.parquet")
    return count + int(is_watch_N.sum()) + int(is_like_N.sum())


def _shown(
    clips: Clips, tastes_NG: NDArray[np.int64], random: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Draw what each impression shows: mostly the popular of the person's clusters.

    Returns:
        Clips int64 [N], and whether each lies in a cluster that the person likes, bool [N].
    """
    count, num_clusters = len(tastes_NG), len(clips.starts) - 1
    is_liked = random.random(count) < 0.75
    chosen = tastes_NG[np.arange(count), random.integers(0, tastes_NG.shape[1], count)]
    clusters = np.where(is_liked, chosen, random.integers(0, num_clusters, count))
    sizes = np.diff(clips.starts)[clusters]
    # A power law within the cluster: a tenth of the clips get half of the showings.
    items = clips.starts[clusters] + (sizes * random.random(count) ** 3.3).astype(np.int64)
    items = np.minimum(items, len(clips.clusters) - 1)
    # One in twelve is from what everybody is shown.
    everywhere = random.random(count) < 1 / 12
    famous = (300 * random.random(count) ** 2).astype(np.int64)
    step = max(1, len(clips.clusters) // 300)
    items = np.where(everywhere, np.minimum(famous * step, len(clips.clusters) - 1), items)
    return items, is_liked & ~everywhere
