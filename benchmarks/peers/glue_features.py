"""The nightly job that people write: features as of now, one table a key, for a server to hold in memory.

Polars groups the same events by the same keys and windows as `serving/app.py` declares. What a release has
learned (trees, co-visits, popularity) is taken from it, so that both servers do the same work.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
from serving.app import SURFACE, app

from shortlist.models.co_visitation import FittedCoVisitation
from shortlist.releases import Registry
from shortlist.releases.artifacts import load_contents

DAY_US = 86_400_000_000
HOUR_US = DAY_US // 24
FOLDER, ABOUT, MODEL = "glue", "about.json", "trees.txt"
WINDOWS_US = {"1h": HOUR_US, "1d": DAY_US, "7d": 7 * DAY_US, "30d": 30 * DAY_US}
USER_TOPIC, USER_CREATOR, USER_CLIP = ["user", "topic"], ["user", "creator"], ["user", "clip"]
NUM_POPULAR = 1000


def build(data: Path) -> Path:
    """Write the tables of a catalogue once.

    Args:
        data: the catalogue's folder.

    Returns:
        The folder of the tables.
    """
    folder = data / FOLDER
    if (folder / MODEL).exists():
        return folder
    folder.mkdir(exist_ok=True)
    clips = pl.read_parquet(data / "clips.parquet")
    users = pl.read_parquet(data / "users.parquet").select("user", "country", "adult")
    keys = clips.select("clip", "creator", "topic")
    events = {
        kind: pl.read_parquet(data / f"{kind}.parquet").join(keys, on="clip").join(users, on="user")
        for kind in ("impression", "watch", "like")
    }
    events["engaged"] = events["watch"].filter(pl.col("watch_s") > 30)
    end_us = max(int(one["time_us"].max()) for one in events.values()) + 1
    features = _Features(events, end_us)
    clip_table = _clip_table(features, clips)
    clip_table.write_parquet(folder / "clips.parquet")
    _user_table(features, users).write_parquet(folder / "users.parquet")
    _joined(
        [
            features.count("watch", USER_TOPIC, "(user, clip.topic)", "1d", "7d", "30d"),
            features.count("impression", USER_TOPIC, "(user, clip.topic)", "7d", "30d"),
            features.count("like", USER_TOPIC, "(user, clip.topic)", "30d"),
            features.rate(USER_TOPIC, "(user, clip.topic)", 20, "30d"),
            features.last_time("watch", USER_TOPIC, "(user, clip.topic)"),
        ],
        USER_TOPIC,
    ).write_parquet(folder / "user_topic.parquet")
    _joined(
        [
            features.count("watch", USER_CREATOR, "(user, clip.creator)", "30d"),
            features.count("impression", USER_CREATOR, "(user, clip.creator)", "30d"),
        ],
        USER_CREATOR,
    ).write_parquet(folder / "user_creator.parquet")
    features.count("impression", USER_CLIP, "(user, clip)", "30d").write_parquet(folder / "user_clip.parquet")
    features.rate(["country", "topic"], "(user.country, clip.topic)", 50, "30d").write_parquet(
        folder / "country_topic.parquet"
    )
    events["watch"].sort("time_us", descending=True).group_by("user", maintain_order=True).agg(
        pl.col("clip").head(500)
    ).write_parquet(folder / "histories.parquet")
    _from_release(data, folder, features)
    return folder


class _Features:
    """Groups events by key; every column is called as the declaration calls it."""

    def __init__(self, events: dict[str, pl.DataFrame], end_us: int) -> None:
        self.events, self.end_us = events, end_us

    def count(self, kind: str, keys: list[str], by: str, *windows: str) -> pl.DataFrame:
        """Count events in each window."""
        return (
            self.events[kind]
            .group_by(keys)
            .agg(
                self._inside(window).sum().cast(pl.Float32).alias(f"count({kind}, by={by}, window={window})")
                for window in windows
            )
        )

    def mean(self, keys: list[str], by: str, *windows: str) -> pl.DataFrame:
        """Average the seconds watched in each window; null without any."""
        return (
            self.events["watch"]
            .group_by(keys)
            .agg(
                pl.col("watch_s")
                .filter(self._inside(window))
                .mean()
                .cast(pl.Float32)
                .alias(f"mean(watch.watch_s, by={by}, window={window})")
                for window in windows
            )
        )

    def rate(self, keys: list[str], by: str, prior: int, *windows: str) -> pl.DataFrame:
        """Smooth the share of impressions that engaged towards the overall rate."""
        shown = self.count("impression", keys, by, *windows)
        won = self.count("engaged", keys, by, *windows)
        joined = shown.join(won, on=keys, how="left").fill_null(0)
        return joined.select(
            *keys,
            *(
                (
                    (pl.col(f"count(engaged, by={by}, window={window})") + prior * self.overall(window))
                    / (pl.col(f"count(impression, by={by}, window={window})") + prior)
                )
                .cast(pl.Float32)
                .alias(f"rate(engaged, by={by}, window={window}, prior={prior})")
                for window in windows
            ),
        )

    def last_time(self, kind: str, keys: list[str], by: str) -> pl.DataFrame:
        """Return the moment of the last event, in seconds; the server takes it from its clock."""
        name = f"recency({kind}, by={by})"
        return self.events[kind].group_by(keys).agg((pl.col("time_us").max() / 1e6).alias(name))

    def overall(self, window: str) -> float:
        """Return the rate of all impressions in a window."""
        counts = [
            self.events[kind].select(self._inside(window).sum()).item() for kind in ("engaged", "impression")
        ]
        return (counts[0] + 1) / (counts[1] + 2)

    def _inside(self, window: str) -> pl.Expr:
        return pl.col("time_us") >= self.end_us - WINDOWS_US[window]


def _clip_table(features: _Features, clips: pl.DataFrame) -> pl.DataFrame:
    """Lay everything that is known of a clip, its topic and its creator side by side, a row a clip."""
    parts = [
        (features.count("impression", ["clip"], "clip", "1d", "7d", "30d"), "clip"),
        (features.count("watch", ["clip"], "clip", "1d", "7d", "30d"), "clip"),
        (features.mean(["clip"], "clip", "7d", "30d"), "clip"),
        (features.count("like", ["clip"], "clip", "7d", "30d"), "clip"),
        (features.rate(["clip"], "clip", 20, "1d", "7d", "30d"), "clip"),
        (features.last_time("watch", ["clip"], "clip"), "clip"),
        (features.rate(["topic"], "clip.topic", 50, "1d", "30d"), "topic"),
        (features.count("watch", ["topic"], "clip.topic", "1d"), "topic"),
        (features.mean(["topic"], "clip.topic", "7d"), "topic"),
        (features.rate(["creator"], "clip.creator", 20, "30d"), "creator"),
        (features.count("watch", ["creator"], "clip.creator", "7d"), "creator"),
        (features.count("like", ["creator"], "clip.creator", "30d"), "creator"),
    ]
    table = clips
    for part, key in parts:
        table = table.join(part, on=key, how="left", maintain_order="left")
    return _filled(table, features)


def _user_table(features: _Features, users: pl.DataFrame) -> pl.DataFrame:
    parts = [
        features.count("impression", ["user"], "user", "1h", "1d", "7d"),
        features.count("watch", ["user"], "user", "1h", "1d", "7d"),
        features.mean(["user"], "user", "1d", "7d"),
        features.count("like", ["user"], "user", "7d"),
        features.last_time("watch", ["user"], "user"),
    ]
    return _filled(_joined([users, *parts], ["user"]), features)


def _joined(parts: list[pl.DataFrame], keys: list[str]) -> pl.DataFrame:
    table = parts[0]
    for part in parts[1:]:
        table = table.join(part, on=keys, how="full", coalesce=True)
    return table


def _filled(table: pl.DataFrame, features: _Features) -> pl.DataFrame:
    """Put 0 where nothing was counted and the overall rate where nothing was shown."""
    return table.with_columns(
        *(pl.col(name).fill_null(0) for name in table.columns if name.startswith("count(")),
        *(
            pl.col(name).fill_null(features.overall(name.split("window=")[1].split(",")[0]))
            for name in table.columns
            if name.startswith("rate(")
        ),
    )


def _from_release(data: Path, folder: Path, features: _Features) -> None:
    """Take the model, the categories, the co-visits and the popular clips out of the current release."""
    registry = Registry(data / "releases")
    current = registry.current()
    assert current is not None
    artifacts = load_contents(registry.open(current).folder, app)[SURFACE]
    ids = np.array(list(artifacts.item_ids))
    co_visits = artifacts.retrieval[1]
    assert isinstance(co_visits, FittedCoVisitation)
    lists = co_visits.lists
    clip = np.repeat(np.arange(len(lists)), np.diff(lists.starts))
    pl.DataFrame({"clip": ids[clip], "near": ids[lists.items], "score": lists.scores}).write_parquet(
        folder / "co_visits.parquet"
    )
    encoding = artifacts.encoding
    assert encoding is not None
    about = {
        "names": encoding.names,
        "categories": encoding.categories,
        "popular": ids[artifacts.popularity.top(NUM_POPULAR)[0]].tolist(),
        "overall": {window: features.overall(window) for window in WINDOWS_US},
    }
    (folder / ABOUT).write_text(json.dumps(about))
    artifacts.rankers["engaged"].save(folder)
