"""Plants every kind of leak into three data sets, and prints which are caught, named, and for what reason.

    SHORTLIST_DATA=folder python benchmarks/leakage.py

Each data set is checked as it is (nothing may be found), and then with planted columns, all beside one another.
KuaiRand's own counters are read here only, as the leak they are. Rows marked "clean" are columns that look like
the leaks and know nothing of the future: running means up to the row before, noise, an hour of the day.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from shortlist.declare.app import App
from shortlist.features.offline import History
from shortlist.features.schema import log_schemas
from shortlist.log import HistorySource, SqliteLog
from shortlist.offline.leakage.check import check_leakage
from shortlist.offline.leakage.finding import LeakageReport
from shortlist.recipes.kuairand import adapter as kuairand
from shortlist.recipes.movielens import adapter as movielens
from shortlist.recipes.video.simulated import history_sources
from shortlist.world import World, WorldConfig

DATA = Path(os.environ.get("SHORTLIST_DATA", Path(__file__).parents[2] / "shared" / "data"))
RECIPES = Path(sys.modules["shortlist"].__path__[0]) / "recipes"

COPY, OWN_ROW = "derived from the label", "target statistic with its own row"
TOTAL, LATER = "total of the whole period", "changed after the request"

console = Console(width=170)


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


def main() -> None:
    table = Table(box=box.SIMPLE_HEAD, title="Planted leaks", title_justify="left", pad_edge=False)
    for name in ("data set", "column", "is", "caught", "named", "reason right", "what was said"):
        table.add_column(name, overflow="fold")
    tally = {"caught": 0, "reason": 0, "leaks": 0, "accused": 0, "clean": 0}
    for ground in grounds():
        started_s = time.perf_counter()
        report, history = check(ground.declaration, ground.sources)
        alone = [f"{one.column}: {one.reason}" for one in report.findings]
        console.print(
            f"{ground.name}: {len(report.columns)} columns, {report.num_rows:,} trials, "
            f"{time.perf_counter() - started_s:.1f} s; false alarms on the clean recipe: {alone or 'none'}"
        )
        tally["accused"] += len(alone)
        tally["clean"] += len(report.columns)
        planted = list(plants(ground, history))
        report, _ = check(*with_plants(ground, planted))
        said = {one.column: one for one in report.findings}
        for plant in planted:
            finding = said.pop(plant.column, None)
            is_leak, is_caught = bool(plant.kinds), finding is not None
            is_named = is_caught and any(plant.column in name for name in finding.features)
            is_right = is_caught and finding.kind in plant.kinds
            tally["leaks" if is_leak else "clean"] += 1
            tally["caught" if is_leak else "accused"] += is_caught
            tally["reason"] += is_leak and is_right
            table.add_row(
                ground.name, plant.column, " or ".join(plant.kinds) or "clean", mark(is_caught, is_leak),
                mark(is_named, is_leak), mark(is_right, is_leak), finding.reason if finding else "",
            )  # fmt: skip
        for finding in said.values():
            tally["accused"] += 1
            table.add_row(ground.name, finding.column, "recipe", "FALSE ALARM", "", "", finding.reason)
        table.add_section()
    console.print(table)
    console.print(
        f"{tally['caught']} of {tally['leaks']} leaks caught, {tally['reason']} for the right reason; "
        f"{tally['accused']} false alarms among {tally['clean']} clean columns"
    )


def mark(found: bool, is_leak: bool) -> str:
    if is_leak:
        return "yes" if found else "NO"
    return "FALSE ALARM" if found else "silent"


def grounds() -> Iterator[Ground]:
    video, kuai, movies = (
        (RECIPES / name / "app.py").read_text() for name in ("video", "kuairand", "movielens")
    )
    for seed in range(3):
        world = World(WorldConfig(num_users=800, num_videos=1500, num_creators=150, num_days=10, seed=seed))
        sources = history_sources(world.history(60_000))
        yield Ground(f"simulated, seed {seed}", video, sources, "engaged", "topic", seed)
    for seed in range(3):
        world = World(WorldConfig(num_users=250, num_videos=500, num_creators=60, num_days=6, seed=seed))
        yield Ground(
            f"simulated small, seed {seed}", video, history_sources(world.history(24_000)), "liked", "topic", seed
        )
    yield Ground("MovieLens-100K", movies, movielens_100k(), "liked", "genre")
    yield Ground("MovieLens-1M", movies, movielens.history_sources(DATA / "ml-1m"), "liked", "genre", 1)
    yield Ground("KuaiRand", kuai, kuairand.history_sources(DATA / "kuairand-pure"), "clicked", "tag")


def movielens_100k() -> list[HistorySource]:
    """The recipe's three tables, of MovieLens-100K."""
    folder = DATA / "ml-100k"
    genres = [line.split("|")[0] for line in (folder / "u.genre").read_text().split() if "|" in line]
    people = [line.split("|") for line in (folder / "u.user").read_text().splitlines()]
    films = [line.split("|") for line in (folder / "u.item").read_text("latin-1").splitlines()]
    ratings = np.loadtxt(folder / "u.data", dtype=np.int64)
    ratings = ratings[np.argsort(ratings[:, 3], kind="stable")]
    start = int(ratings[0, 3])
    users = {
        "user": [one[0] for one in people], "age": [str(int(one[1]) // 10) for one in people],
        "gender": [one[2] for one in people], "occupation": [one[3] for one in people],
        "time_s": [start] * len(people),
    }  # fmt: skip
    items = {
        "movie": [one[0] for one in films], "title": [one[1] for one in films],
        "year": [float(one[2][-4:]) if one[2] else 1995.0 for one in films],
        "genre": [genres[one[5:].index("1")] for one in films], "time_s": [start] * len(films),
    }  # fmt: skip
    events = {
        "user": ratings[:, 0].astype(str), "movie": ratings[:, 1].astype(str), "good": ratings[:, 2] >= 4,
        "time_s": ratings[:, 3],
    }  # fmt: skip
    return [
        HistorySource(kind, columns, {name: name for name in columns if name != "time_s"}, "time_s", "s")
        for kind, columns in (("user", users), ("movie", items), ("rating", events))
    ]


def check(declaration: str, sources: list[HistorySource]) -> tuple[LeakageReport, History]:
    space: dict[str, object] = {}
    exec(declaration, space)
    app = space["app"]
    assert isinstance(app, App)
    with tempfile.TemporaryDirectory() as scratch, SqliteLog(Path(scratch), log_schemas(app)) as log:
        log.import_history(sources)
        return check_leakage(app, log), History.read(app, log)


def with_plants(ground: Ground, planted: list[Plant]) -> tuple[str, list[HistorySource]]:
    """Declare the columns, read each in a feature, and bring their values in."""
    text, sources = ground.declaration, list(ground.sources)
    for of in dict.fromkeys(plant.of for plant in planted):
        some = [plant for plant in planted if plant.of == of]
        fields = ", ".join(f"{plant.name}={plant.type}" for plant in some)
        if of != "context":
            text = text.replace(f'"{of}",', f'"{of}", {fields},', 1)
        elif "app.context(" in text:
            text = text.replace("app.context(", f"app.context({fields}, ", 1)
        else:
            text = text.replace("\nuser = ", f"\ncontext = app.context({fields})\nuser = ", 1)
        kind = "impression" if of == "context" else of
        place = next(place for place, source in enumerate(sources) if source.kind == kind)
        columns = dict(sources[place].source) | {plant.name: plant.values for plant in some}
        named = dict(sources[place].fields) | {plant.name: plant.name for plant in some}
        sources[place] = replace(sources[place], source=columns, fields=named)
    read = ", ".join(
        f"sl.age({plant.column})" if plant.type == "sl.Time" else plant.column for plant in planted
    )
    # With a second moment of a video the source of fresh ones must be told which is meant.
    text = text.replace("sl.Fresh(", "sl.Fresh(by=video.published, ")
    return f"{text}\napp.features({read})\n", sources


def plants(ground: Ground, history: History) -> Iterator[Plant]:
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
        last = np.zeros(sizes[entity], np.int64)
        last[codes[entity]] = rows.times_us

        def of(name: str, values: np.ndarray, *kinds: str, type_: str = "float", entity=entity, own=own) -> Plant:
            return Plant(name, entity, type_, values[own], kinds)

        yield from of_entities(of, total, hits, last, random)
    if ground.topic is not None:
        yield from last_topics(ground, history, rows, random)
    if ground.name == "KuaiRand":
        yield from counters(ground)


def of_requests(
    items: np.ndarray, times_us: np.ndarray, good: np.ndarray, watched: np.ndarray, random: np.random.Generator
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
        yield of(f"target_mean_noise_{noise * 100:.0f}", mean + random.normal(0, noise, size), OWN_ROW)
    yield of("target_mean_smoothed", (hits + 20 * rate) / (total + 20), OWN_ROW)
    yield of("last_seen", last_us, LATER, type_="sl.Time")
    yield of("noise", random.lognormal(size=size))
    yield of("size", np.round(random.lognormal(3, 1, size)))


def last_topics(ground: Ground, history: History, rows, random: np.random.Generator) -> Iterator[Plant]:
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


def counters(ground: Ground) -> Iterator[Plant]:
    """KuaiRand's counters, totals over a month that ends after the last impression, and their ratios."""
    (videos,) = (one for one in ground.sources if one.kind == "video")
    ids = np.asarray(videos.source["video_id"])
    query = f"FROM '{DATA}/kuairand-pure/item_features.parquet' ORDER BY video_id"
    table = duckdb.sql(query).fetchnumpy()
    place = np.searchsorted(table["video_id"], ids)
    for name in ("counts", "show_cnt", "play_cnt", "like_cnt", "comment_cnt", "share_cnt", "follow_cnt",
                 "collect_cnt", "download_cnt", "report_cnt", "long_time_play_cnt", "play_duration"):  # fmt: skip
        yield Plant(name, "video", "float", np.asarray(table[name], float)[place], (TOTAL,))
    for over, under in (("like_cnt", "show_cnt"), ("play_cnt", "show_cnt"), ("long_time_play_cnt", "play_cnt")):
        ratio = np.asarray(table[over], float)[place] / np.asarray(table[under], float)[place]
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


if __name__ == "__main__":
    main()
