"""MovieLens-1M: Recall@100 of two towers, with and without what is known of a movie, and on new movies.

    SHORTLIST_DATA=folder python benchmarks/movielens_towers.py

A like is four stars or five, as in `recipes/movielens/app.py`. Models learn from the earlier four fifths of
the likes, are told each user's last 50 of them, and should find what the user liked later; all 3,883 movies
are candidates but those liked before. Three times in five are unknown: `recipes/movielens/adapter.py` gives
such a rating the time of the user's last known one before it, so every user's order is kept, and the split is
close to one by true times. Users who came after the split have no history.

For new movies, one in ten is drawn and taken out of training altogether, as if it had come later. Known of a
movie are its year and each of the 18 genres; of a user gender, age group and occupation. Ties count against a
model, so one that knows nothing of a movie never finds it. Minutes are of one thread's CPU time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from shortlist.declare.entities import Entity
from shortlist.features.attributes import attribute_encoding, attribute_rows
from shortlist.features.entities import EntityTable
from shortlist.metrics import Interval
from shortlist.models.co_visitation import CoVisitation
from shortlist.models.popularity import Popularity
from shortlist.models.retrieval import Attributes, FittedRetrieval, Interactions, RetrievalModel
from shortlist.models.two_towers import TwoTowers
from shortlist.offline.evaluation.cases import Cases, Holdout, ItemLists
from shortlist.offline.evaluation.catalogue import judge
from shortlist.offline.evaluation.protocols import split_by_time
from shortlist.recipes.movielens.adapter import history_sources

FOLDER = Path(os.environ.get("SHORTLIST_DATA", Path(__file__).parents[2] / "shared" / "data")) / "ml-1m"
K = 100
HISTORY = 50
NEW_SHARE = 0.1
POPULAR = Popularity("52w")

console = Console(width=150)


def main() -> None:
    likes = read_likes()
    table = Table(box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    table.title = f"MovieLens-1M likes, split by time: Recall@{K} (95 % over users)"
    for name in ("model", "all movies", "new, of all", "new, of the new", "fit min", "request ms"):
        table.add_column(name, justify="left" if name == "model" else "right")

    holdout = split_by_time(likes, test=0.2, history=HISTORY)
    console.print(
        f"{len(holdout.train):,} likes to learn from; {len(holdout.cases):,} users to judge, "
        f"{int((holdout.cases.history[:, 0] < 0).sum()):,} of them without history"
    )
    nameless = replace(holdout.train, item_attributes=None)
    for name, model, train in (
        ("Popularity", POPULAR, holdout.train),
        ("CoVisitation", CoVisitation(), holdout.train),
        ("TwoTowers, movies by number alone", TwoTowers(), nameless),
        ("TwoTowers", TwoTowers(), holdout.train),
    ):
        fitted, minutes = fit(name, model, train)
        recall = judge(fitted, holdout.cases, k=K).interval("Recall")
        console.print(f"          {shown(recall)}", style="dim")
        table.add_row(
            name, shown(recall), "", "", f"{minutes:.1f}", f"{request_ms(fitted, holdout.cases):.2f}"
        )

    is_new_I = np.random.default_rng(0).random(likes.num_items) < NEW_SHARE
    without = without_items(holdout, is_new_I)
    console.print(f"{int(is_new_I.sum())} movies are new: {len(without.train):,} likes to learn from")
    table.add_section()
    for name, model in (
        ("Popularity", POPULAR),
        ("CoVisitation", CoVisitation()),
        ("TwoTowers", TwoTowers()),
    ):
        fitted, minutes = fit(f"{name}, without the new movies", model, without.train)
        score = judge(fitted, without.cases, k=K)
        is_sought_M = is_new_I[without.cases.relevant.items]
        among = judge(fitted, only(without.cases, is_new_I), k=K)
        console.print(f"          {shown(score.interval('Recall'))}", style="dim")
        table.add_row(
            f"{name}, without the new movies", shown(score.interval("Recall")),
            shown(score.interval("Recall", is_sought_M)), shown(among.interval("Recall")),
            f"{minutes:.1f}", f"{request_ms(fitted, without.cases):.2f}",
        )  # fmt: skip
    table.add_row("by chance", "", "", f"{K / is_new_I.sum():.4f}", "", "")
    console.print(table)


def read_likes() -> Interactions:
    """The likes in time order, and what is known of users and movies, as the product reads attributes."""
    users, movies, ratings = (dict(source.source) for source in history_sources(FOLDER))
    genres = sorted({genre for text in movies["genres"] for genre in text.split("|")})
    of_movie = {"year": np.array([float(year) for year in movies["year"]])}
    of_movie |= {
        f"genre_{number}": np.array([genre in text.split("|") for text in movies["genres"]], np.int8)
        for number, genre in enumerate(genres)
    }
    movie = Entity("movie", {"year": float, **{name: bool for name in of_movie if name != "year"}})
    user = Entity("user", {"gender": str, "age": str, "occupation": str})
    is_like = np.asarray(ratings["ge4"], bool)
    numbers = [{int(id): number for number, id in enumerate(ids)} for ids in (users["user"], movies["movie"])]
    users_N, items_N = (
        np.array([number[id] for id in np.asarray(ratings[name])[is_like].tolist()], np.int32)
        for number, name in zip(numbers, ("user", "movie"), strict=True)
    )
    return Interactions(
        users_N, items_N, np.asarray(ratings["time_s"], np.int64)[is_like] * 1_000_000,
        np.ones(len(users_N), np.float32), len(users["user"]), len(movies["movie"]),
        described(user, users["user"], users), described(movie, movies["movie"], of_movie),
    )  # fmt: skip


def described(
    entity: Entity, ids: Sequence[str], columns: Mapping[str, Sequence[str] | np.ndarray]
) -> Attributes:
    table = EntityTable(entity)
    codes = table.vocabulary.insert(ids)
    stored = {
        name: table.vocabularies[name].insert(columns[name]) if type_ == "str" else columns[name]
        for name, type_ in entity.attribute_types.items()
    }
    table.update(codes, stored)
    encoding = attribute_encoding(table)
    return Attributes(attribute_rows(table, codes, encoding), encoding)


def without_items(holdout: Holdout, is_new_I: np.ndarray) -> Holdout:
    """Take items out of training and of histories; they remain to be found."""
    cases = holdout.cases
    known_BL = np.where(is_new_I[cases.history] | (cases.history < 0), -1, cases.history)
    train = holdout.train.take(~is_new_I[holdout.train.items])
    return Holdout(train, replace(cases, history=known_BL))


def only(cases: Cases, is_new_I: np.ndarray) -> Cases:
    """Seek the new items alone, among themselves; users who liked none are left out."""
    is_sought_M = is_new_I[cases.relevant.items]
    sizes = np.bincount(cases.relevant.cases[is_sought_M], minlength=len(cases))
    relevant = ItemLists(cases.relevant.items[is_sought_M], np.concatenate([[0], np.cumsum(sizes)]))
    old = np.flatnonzero(~is_new_I)
    excluded = [np.union1d(cases.excluded[case], old) for case in range(len(cases))]
    starts = np.concatenate([[0], np.cumsum([len(items) for items in excluded])])
    lists = ItemLists(np.concatenate(excluded).astype(np.int32), starts)
    return replace(cases, relevant=relevant, excluded=lists).take(np.flatnonzero(sizes))


def fit(name: str, model: RetrievalModel, train: Interactions) -> tuple[FittedRetrieval, float]:
    started_s = time.process_time()
    with Progress(console=console, transient=True) as shown_progress:
        task = shown_progress.add_task(name)
        fitted = model.fit(
            train, progress=lambda done, total: shown_progress.update(task, completed=done, total=total)
        )
    minutes = (time.process_time() - started_s) / 60
    console.print(f"{minutes:6.2f} min  fitted {name}", style="dim")
    return fitted, minutes


def request_ms(fitted: FittedRetrieval, cases: Cases) -> float:
    """The median time of finding 300 movies for one user."""
    taken_ms = []
    for case in range(min(len(cases), 300)):
        started_s = time.perf_counter()
        fitted.retrieve(cases.batch(case, case + 1), 300)
        taken_ms.append(1000 * (time.perf_counter() - started_s))
    return float(np.median(taken_ms))


def shown(interval: Interval) -> str:
    return f"{interval.value:.4f} ({interval.low:.4f} to {interval.high:.4f})"


if __name__ == "__main__":
    main()
