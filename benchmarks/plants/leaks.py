"""Columns that know the future, and clean ones that look like them, each of several strengths."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np

from shortlist.features.offline import History
from shortlist.features.rows import Rows
from shortlist.log import HistorySource

COPY, OWN_ROW = "derived from the label", "target statistic with its own row"
TOTAL, LATER = "total of the whole period", "changed after the request"


@dataclass(frozen=True)
class Plant:
    """A column to bring in: of a context (a value an impression) or an entity (a value an id)."""

    name: str
    of: str
    type: str
    values: np.ndarray
    kinds: tuple[str, ...]  # reasons that are right; none: it is clean

    @property
    def column(self) -> str:
        """How a declaration names it."""
        return f"{self.of}.{self.name}"


@dataclass(frozen=True)
class Ground:
    """A data set to plant into."""

    name: str
    declaration: str
    sources: list[HistorySource]
    label: str
    topic: str | None  # an attribute of items that a user's attribute can remember
    seed: int = 0


def plants(ground: Ground, history: History, data: Path) -> Iterator[Plant]:
    random = np.random.default_rng(ground.seed)
    user, item = history.app.user_entity.entity_name, history.app.item_entity.entity_name
    label = history.app.labels[ground.label]
    if history.impressions is not None:
        rows, good = history.impressions, history.outcomes(label).positive.astype(float)
        yield from of_requests(rows.ids[item], rows.times_us, good, seconds(ground, history), random)
    else:
        rows = history.events(label.event)
        good = rows.fields["good"].true().astype(float)
    codes = {name: rows.ids[name] for name in (user, item)}
    sizes = {user: len(history.users), item: len(history.items)}
    for entity, name, lookup in ((item, item, history.items), (user, "user", history.users)):
        source = next(one for one in ground.sources if one.kind == entity)
        own = lookup.codes([str(one) for one in source.source[source.fields[entity]]])
        total = np.bincount(codes[entity], minlength=sizes[entity]).astype(float)
        hits = np.bincount(codes[entity], weights=good, minlength=sizes[entity])
        last = np.full(sizes[entity], rows.times_us[0])
        last[codes[entity]] = rows.times_us

        def of(
            name: str, values: np.ndarray, *kinds: str, type_: str = "float", entity=entity, own=own
        ) -> Plant:
            return Plant(name, entity, type_, values[own], kinds)

        yield from of_entities(of, total, hits, last, random)
    if ground.topic is not None:
        yield from last_topics(ground, history, rows, random)
    if ground.name == "KuaiRand":
        yield from counters(ground, data)


def of_requests(
    items: np.ndarray,
    times_us: np.ndarray,
    good: np.ndarray,
    watched: np.ndarray,
    random: np.random.Generator,
) -> Iterator[Plant]:
    num_rows = len(good)

    def of(name: str, values: np.ndarray, *kinds: str) -> Plant:
        return Plant(name, "context", "float", values, kinds)

    for flips in (0.0, 0.1, 0.2, 0.3):
        copied = np.where(random.random(num_rows) < flips, 1 - good, good)
        yield of(f"label_{flips * 100:.0f}_percent_flipped", copied, COPY)
    for noise in (0.3, 0.6, 1.0):
        yield of(f"label_noise_{noise * 10:.0f}", good + random.normal(0, noise, num_rows), COPY)
    for noise in (0.0, 0.3, 1.0):
        seen = watched * np.exp(random.normal(0, noise, num_rows))
        yield of(f"watch_s_of_this_noise_{noise * 10:.0f}", seen, COPY)
    number = np.bincount(items)
    hits = np.bincount(items, weights=good)
    yield of("target_encoding", (hits / np.maximum(number, 1))[items], OWN_ROW)
    yield of("target_encoding_smoothed", ((hits + 20 * good.mean()) / (number + 20))[items], OWN_ROW)
    before, before_n = running(items, good)
    yield of("running_mean_with_own_row", (before + good) / (before_n + 1), OWN_ROW)
    yield of("running_mean_before", np.where(before_n > 0, before / np.maximum(before_n, 1), np.nan))
    yield of("running_smoothed_before", (before + 20 * good.mean()) / (before_n + 20))
    yield of("hour", (times_us // 3_600_000_000 % 24).astype(float))
    yield of("noise", random.normal(size=num_rows))


def of_entities(
    of: Callable[..., Plant],
    total: np.ndarray,
    hits: np.ndarray,
    last_us: np.ndarray,
    random: np.random.Generator,
) -> Iterator[Plant]:
    size, rate = len(total), hits.sum() / total.sum()
    mean = hits / np.maximum(total, 1)
    for noise in (0.0, 0.1, 0.5, 1.0):
        yield of(f"total_noise_{noise * 10:.0f}", total * np.exp(random.normal(0, noise, size)), TOTAL)
    yield of("positives_in_all", hits, TOTAL)
    yield of("level", np.floor(np.log2(total + 1)), TOTAL, LATER)
    for noise in (0.0, 0.02, 0.1):
        yield of(
            f"target_mean_noise_{noise * 100:.0f}",
            mean + random.normal(0, noise, size),
            OWN_ROW,
            *[TOTAL] * (noise > 0),
        )
    yield of("target_mean_smoothed", (hits + 20 * rate) / (total + 20), OWN_ROW)
    yield of("last_seen", last_us, LATER, type_="sl.Time")
    yield of("noise", random.lognormal(size=size))
    yield of("size", np.round(random.lognormal(3, 1, size)))


def last_topics(ground: Ground, history: History, rows: Rows, random: np.random.Generator) -> Iterator[Plant]:
    user, item = history.app.user_entity.entity_name, history.app.item_entity.entity_name
    films, people = (next(one for one in ground.sources if one.kind == kind) for kind in (item, user))
    topics = np.empty(len(history.items), object)
    own = history.items.codes([str(one) for one in films.source[films.fields[item]]])
    topics[own] = [str(one) for one in films.source[films.fields[ground.topic]]]
    last = np.full(len(history.users), topics[own[0]], object)
    last[rows.ids[user]] = topics[rows.ids[item]]
    first = last.copy()
    first[rows.ids[user][::-1]] = topics[rows.ids[item][::-1]]
    codes = history.users.codes([str(one) for one in people.source[people.fields[user]]])
    for share in (0.0, 0.2, 0.5):
        other = random.random(len(last)) < share
        kept = np.where(other, random.permutation(topics[rows.ids[item]])[: len(last)], last)[codes]
        yield Plant(f"last_topic_{share * 100:.0f}_percent_other", user, "str", kept, (LATER,))
    yield Plant("first_topic", user, "str", first[codes], ())


def counters(ground: Ground, data: Path) -> Iterator[Plant]:
    """KuaiRand's counters, totals over a month that ends after the last impression, and their ratios."""
    (videos,) = (one for one in ground.sources if one.kind == "video")
    ids = np.asarray(videos.source["video_id"])
    query = f"FROM '{data}/kuairand-pure/item_features.parquet' ORDER BY video_id"
    table = duckdb.sql(query).fetchnumpy()
    place = np.searchsorted(table["video_id"], ids)
    for name in ("counts", "show_cnt", "play_cnt", "like_cnt", "comment_cnt", "share_cnt", "follow_cnt",
                 "collect_cnt", "download_cnt", "report_cnt", "long_time_play_cnt"):  # fmt: skip
        yield Plant(name, "video", "float", np.asarray(table[name], float)[place], (TOTAL,))
    for over, under in (
        ("like_cnt", "show_cnt"),
        ("play_cnt", "show_cnt"),
        ("long_time_play_cnt", "play_cnt"),
    ):
        number, total = (np.asarray(table[name], float)[place] for name in (over, under))
        ratio = np.divide(number, total, out=np.full(len(place), np.nan), where=total > 0)
        yield Plant(f"{over}_over_{under}", "video", "float", ratio, (TOTAL,))


def running(items: np.ndarray, good: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positives and rows of the same item before each row."""
    order = np.argsort(items, kind="stable")
    starts = np.flatnonzero(np.diff(items[order], prepend=-1))
    lengths = np.diff(starts, append=len(items))
    sums = np.cumsum(good[order]) - good[order]
    before, number = np.empty(len(items)), np.empty(len(items))
    before[order] = sums - np.repeat(sums[starts], lengths)
    number[order] = np.arange(len(items)) - np.repeat(starts, lengths)
    return before, number


def seconds(ground: Ground, history: History) -> np.ndarray:
    """Seconds watched of each impression, 0 where nothing followed within half an hour."""
    rows, watches = history.impressions, history.events(history.app.events["watch"])
    user, item = history.app.user_entity.entity_name, history.app.item_entity.entity_name
    latest: dict[tuple[int, int], int] = {}
    kinds = np.concatenate([np.zeros(len(rows), int), np.ones(len(watches), int)])
    places = np.concatenate([np.arange(len(rows)), np.arange(len(watches))])
    order = np.argsort(np.concatenate([rows.seqs, watches.seqs]), kind="stable")
    watched, number = np.zeros(len(rows)), watches.fields["watch_s"].number()
    for kind, place in zip(kinds[order].tolist(), places[order].tolist(), strict=True):
        source = watches if kind else rows
        pair = (int(source.ids[user][place]), int(source.ids[item][place]))
        if not kind:
            latest[pair] = place
        elif pair in latest and np.isfinite(number[place]):
            watched[latest[pair]] = number[place]
    return watched
