"""MovieLens-1M as the sources that a log imports.

Of three ratings in five the second is unknown (`ts` 0), but not their order for a user (`seq`): such a
rating takes the time of the user's last known one before it, or else of the first after it. Users
without any known time get that of the data set's first rating.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from shortlist.log import HistorySource

_RATINGS = """
SELECT "user", movie, ge4,
    coalesce(
        last_value(nullif(ts, 0) IGNORE NULLS) OVER (
            PARTITION BY "user" ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
        first_value(nullif(ts, 0) IGNORE NULLS) OVER (
            PARTITION BY "user" ORDER BY seq ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING),
        min(nullif(ts, 0)) OVER ()
    ) AS time_s
FROM 'ml1m_full.parquet' ORDER BY time_s, "user", seq
"""


def history_sources(folder: Path) -> list[HistorySource]:
    """Read the data set.

    Args:
        folder: the folder `ml-1m`, with ml1m_full.parquet, users.dat and movies.dat.

    Returns:
        Updates of users and movies as of the first rating, then the ratings in order of time. Rows
        without an id: import them once.
    """
    with duckdb.connect() as connection:
        connection.execute(f"SET file_search_path = '{str(folder).replace(chr(39), chr(39) * 2)}'")
        ratings = connection.execute(_RATINGS).fetchnumpy()
    start_s = int(ratings["time_s"][0])
    users = _table(folder / "users.dat", ["user", "gender", "age", "occupation", "zip"], start_s)
    movies = _table(folder / "movies.dat", ["movie", "full_title", "genres"], start_s)
    movies |= {  # "Toy Story (1995)", "Animation|Children's|Comedy": the first genre is the topic
        "title": [title[: -len(" (1995)")] for title in movies["full_title"]],
        "year": [title[-len("1995)") : -1] for title in movies["full_title"]],
        "genre": [genres.split("|")[0] for genres in movies["genres"]],
    }
    return [
        _source("user", users, {name: name for name in ("user", "gender", "age", "occupation")}),
        _source("movie", movies, {name: name for name in ("movie", "title", "genre", "year")}),
        _source("rating", ratings, {"user": "user", "movie": "movie", "good": "ge4"}),
    ]


def _table(path: Path, names: Sequence[str], time_s: int) -> dict[str, list[str]]:
    with path.open(encoding="latin-1") as lines:
        rows = [line.rstrip("\n").split("::") for line in lines]
    columns = {name: list(values) for name, values in zip(names, zip(*rows, strict=True), strict=True)}
    return columns | {"time_s": [str(time_s)] * len(rows)}


def _source(kind: str, columns: Mapping[str, Any], fields: Mapping[str, str]) -> HistorySource:
    return HistorySource(kind, columns, fields, time="time_s", time_unit="s")
