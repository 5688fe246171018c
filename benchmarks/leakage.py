"""Plants every kind of leak into three data sets, and prints which are caught, named, and for what reason.

    SHORTLIST_DATA=folder python benchmarks/leakage.py

Each data set is checked as it is (nothing may be found), and then with planted columns, all beside one
another. KuaiRand's own counters are read here only, as the leak they are. Rows marked "clean" are columns
that look like the leaks and know nothing of the future: running means up to the row before, noise, an hour of
the day. A mean of the whole period under noise has two right reasons: its own rows cannot be told from the
rest any more.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from plants.leaks import Ground, Plant, plants
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

console = Console(width=220)


def main() -> None:
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
        planted = list(plants(ground, history, DATA))
        table = new_table(ground.name)
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
                plant.column, " or ".join(plant.kinds) or "clean", mark(is_caught, is_leak),
                mark(is_named, is_leak), mark(is_right, is_leak), finding.kind if finding else "",
                ", ".join(finding.figures()) if finding else "",
            )  # fmt: skip
        for finding in said.values():
            tally["accused"] += 1
            table.add_row(
                finding.column, "recipe", "FALSE ALARM", "", "", finding.kind, ", ".join(finding.figures())
            )
        console.print(table)
    console.print(
        f"{tally['caught']} of {tally['leaks']} leaks caught, {tally['reason']} for the right reason; "
        f"{tally['accused']} false alarms among {tally['clean']} clean columns"
    )


def new_table(title: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    for name in ("column", "is", "caught", "named", "reason right", "said", "figures"):
        table.add_column(name, overflow="fold")
    return table


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
            f"simulated small, seed {seed}",
            video,
            history_sources(world.history(24_000)),
            "liked",
            "topic",
            seed,
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


if __name__ == "__main__":
    main()
