"""MovieLens-1M: all ratings, each user's in the order of the data set."""

from __future__ import annotations

import duckdb
import numpy as np
import pytest

from recipes.data import data_folder
from recipes.sources import check_against, column, import_all, num_rows, times_us
from shortlist.recipes.movielens.adapter import history_sources
from shortlist.recipes.movielens.app import app


@pytest.fixture(scope="module")
def folder():
    return data_folder("ml-1m")


@pytest.fixture(scope="module")
def sources(folder):
    return history_sources(folder)


def test_the_sources_fit_the_declaration(sources):
    check_against(app, sources)
    assert [source.kind for source in sources] == ["user", "movie", "rating"]


def test_the_rows_are_those_of_the_readme(sources):
    users, movies, ratings = sources
    assert (num_rows(users), num_rows(movies), num_rows(ratings)) == (6_040, 3_883, 1_000_209)
    assert len(set(column(ratings, "movie").tolist())) == 3_706
    assert {str(movie) for movie in set(column(ratings, "movie").tolist())} <= set(column(movies, "movie"))


def test_titles_are_parted_from_their_years(sources):
    movies = sources[1].source
    place = movies["movie"].index("1")
    assert [movies[name][place] for name in ("title", "year", "genre")] == ["Toy Story", "1995", "Animation"]
    assert all(year.isdigit() for year in movies["year"])
    assert "Misérables, Les" in movies["title"], "the file is in Latin-1"


def test_each_users_ratings_keep_their_order_and_their_known_times(folder, sources):
    ratings = sources[2]
    raw = duckdb.sql(f"SELECT \"user\", movie, ts, seq FROM '{folder}/ml1m_full.parquet'").fetchnumpy()
    users, movies = column(ratings, "user"), column(ratings, "movie")
    to_raw = np.argsort(np.lexsort((movies, users)))  # each pair is there once, in both
    as_imported = np.lexsort((raw["movie"], raw["user"]))[to_raw]
    assert (raw["user"][as_imported] == users).all()
    assert (raw["movie"][as_imported] == movies).all()

    seconds, known_s = times_us(ratings) // 1_000_000, raw["ts"][as_imported]
    assert (known_s > 0).sum() == 388_921
    assert (seconds == known_s)[known_s > 0].all()
    assert (np.diff(seconds) >= 0).all()

    by_user = np.argsort(users, kind="stable")
    same_user = users[by_user][1:] == users[by_user][:-1]
    assert (np.diff(raw["seq"][as_imported][by_user])[same_user] >= 0).all()


def test_every_row_is_imported(sources, tmp_path):
    report = import_all(app, sources, tmp_path / "log")
    assert report.num_rejected == 0, report.reasons
    assert report.num_imported == report.num_rows == sum(map(num_rows, sources))
