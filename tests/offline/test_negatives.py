"""Logs without impressions: drawn negatives, and a training on them from end to end."""

from __future__ import annotations

import numpy as np
import pytest

import shortlist as sl
from shortlist.features.offline import History
from shortlist.features.schema import log_schemas
from shortlist.log import Event, HistorySource, SqliteLog
from shortlist.offline import dataset
from shortlist.offline.dataset import read_trials
from shortlist.offline.negatives import sampled_trials
from shortlist.offline.train import train
from shortlist.releases import Registry

HOUR_US = 3_600_000_000
START_US = 1_700_000_000_000_000
NUM_USERS, NUM_MOVIES, NUM_RATINGS = 60, 80, 1_800


def shop() -> sl.App:
    app = sl.App("films")
    user, movie = app.entity("user"), app.entity("movie", genre=str)
    rating = app.event("rating", user, movie, stars=float)
    good = app.label("good", rating.stars >= 4, within="1d")
    seen = app.label("seen", rating, within="1d")
    app.features(
        sl.count(rating, by=movie, window="30d"),
        sl.count(rating, by=user, window="30d"),
        sl.count(rating, by=(user, movie.genre), window="30d"),
        sl.count(good, by=movie, window="30d"),
        movie.genre,
    )
    app.surface(
        "home",
        sources=[sl.ItemToItem(n=20), sl.Popular(n=20, half_life="30d")],
        ranker=sl.Ladder(sl.Logistic(), sl.BoostedTrees(num_trees=20)),
        value={good: 1.0, seen: 0.1},
        k=5,
    )
    return app


def ratings() -> list[HistorySource]:
    """People rate films of the genre they like; half of the films come out along the way."""
    random = np.random.default_rng(2)
    released = np.where(np.arange(NUM_MOVIES) < 40, 0, random.integers(0, NUM_RATINGS // 2, NUM_MOVIES))
    users = random.integers(0, NUM_USERS, NUM_RATINGS)
    movies = np.empty(NUM_RATINGS, np.int64)
    for row in range(NUM_RATINGS):
        out = np.flatnonzero(released <= row)
        liked = out[out % 4 == users[row] % 4] if random.random() < 0.7 else out
        movies[row] = liked[int(len(liked) * random.random() ** 2)]
    times = START_US + np.arange(NUM_RATINGS) * HOUR_US // 3
    stars = np.where(movies % 4 == users % 4, 5.0, 2.0) - (random.random(NUM_RATINGS) < 0.2)
    return [
        HistorySource(
            "movie",
            {
                "movie": [f"m{number}" for number in range(NUM_MOVIES)],
                "genre": [f"g{number % 4}" for number in range(NUM_MOVIES)],
                "time_us": START_US + released * HOUR_US // 3 - 1,
            },
            {"movie": "movie", "genre": "genre"},
            time="time_us",
        ),
        HistorySource(
            "rating",
            {
                "user": [f"u{number}" for number in users],
                "movie": [f"m{number}" for number in movies],
                "stars": stars,
                "time_us": times,
            },
            {"user": "user", "movie": "movie", "stars": "stars"},
            time="time_us",
        ),
    ]


@pytest.fixture(scope="module")
def app():
    return shop()


@pytest.fixture(scope="module")
def log(app, tmp_path_factory):
    with SqliteLog(tmp_path_factory.mktemp("films"), log_schemas(app)) as opened:
        opened.import_history(ratings())
        yield opened


@pytest.fixture(scope="module")
def history(app, log):
    return History.read(app, log)


@pytest.mark.parametrize("draw", ["uniform", "popularity"])
def test_each_list_is_a_positive_and_what_its_user_could_have_had_instead(app, log, history, draw):
    label = app.labels["good"]
    trials = sampled_trials(history, log, [label], num_negatives=7, draw=draw, seed=1)
    source = log.scan("rating").columns()
    good = np.flatnonzero(source.fields["stars"] >= 4)
    seqs = source.seq[good]
    users = history.users.codes(source.fields["user"].values)[source.fields["user"].codes][good]
    movies = history.items.codes(source.fields["movie"].values)[source.fields["movie"].codes][good]
    first = {}
    for kind in ("movie", "rating"):
        columns = log.scan(kind, ["movie"]).columns()
        names = columns.fields["movie"]
        for seq, code in zip(columns.seq.tolist(), names.codes.tolist(), strict=True):
            first[names.values[code]] = min(seq, first.get(names.values[code], seq))
    firsts = dict(
        zip(
            reversed(list(zip(users.tolist(), movies.tolist(), strict=True))),
            reversed(seqs.tolist()),
            strict=True,
        )
    )
    known = [
        first[history.items.text(movie)] < seq
        for movie, seq in zip(movies.tolist(), seqs.tolist(), strict=True)
    ]
    is_first = [
        firsts[pair] == seq
        for pair, seq in zip(zip(users.tolist(), movies.tolist(), strict=True), seqs.tolist(), strict=True)
    ]
    kept = np.array(known) & np.array(is_first)
    good, seqs, users, movies = good[kept], seqs[kept], users[kept], movies[kept]
    had: dict[int, set[int]] = {}
    by_list: dict[int, list[int]] = {}
    for row, number in enumerate(trials.lists.tolist()):
        by_list.setdefault(number, []).append(row)
    assert len(by_list) == len(good), "every first positive of a known item has its list"
    num_drawn = 0
    for number, (seq, user, movie) in enumerate(
        zip(seqs.tolist(), users.tolist(), movies.tolist(), strict=True)
    ):
        rows = by_list[number]
        assert (trials.requests.users[rows] == user).all()
        assert (trials.requests.as_of_seq[rows] == seq - 1).all()
        items, outcome = trials.requests.items[rows], trials.positive["good"][rows]
        assert items[outcome == 1].tolist() == [movie]
        negatives = items[outcome == 0].tolist()
        assert movie not in negatives
        assert not had.get(user, set()) & set(negatives)
        assert all(first[history.items.text(item)] < seq for item in negatives)
        had.setdefault(user, set()).add(movie)
        num_drawn += len(negatives)
    assert num_drawn > 3 * len(good)
    assert trials.sampling == f"7 negatives a positive, drawn by {draw}"


def test_draws_by_popularity_favour_the_popular(app, log, history):
    label = app.labels["seen"]
    assert history.events(label) is None, "without impressions nothing was attributed"
    counts = np.bincount(history.events(label.event).ids["movie"], minlength=NUM_MOVIES)
    drawn = {}
    for draw in ("uniform", "popularity"):
        trials = sampled_trials(history, log, [label], num_negatives=5, draw=draw)
        negatives = trials.requests.items[trials.positive["seen"] == 0]
        drawn[draw] = np.corrcoef(np.bincount(negatives, minlength=NUM_MOVIES), counts)[0, 1]
    assert drawn["popularity"] > drawn["uniform"]


def test_the_place_of_the_positive_tells_nothing(app, log, history):
    trials = sampled_trials(history, log, [app.labels["good"]], num_negatives=4)
    starts = np.flatnonzero(np.diff(trials.lists, prepend=-1))
    share = trials.positive["good"][starts].mean()
    assert abs(share - trials.positive["good"].mean()) < 0.05


def test_each_label_has_lists_of_its_own(app, log, history):
    trials = sampled_trials(history, log, list(app.labels.values()))
    good, seen = (trials.known_us[name] == trials.times_us for name in ("good", "seen"))
    assert (good ^ seen).all()
    assert not set(trials.lists[good]) & set(trials.lists[seen])
    assert (np.diff(trials.times_us) >= 0).all()


def test_a_log_without_impressions_trains_and_says_that_it_was_sampled(app, log, tmp_path):
    registry = Registry(tmp_path)
    report = train(app, log, registry)
    assert report.sampling == "10 negatives a positive, drawn by uniform"
    assert registry.open(report.release).metadata.sections["sampling"] == report.sampling
    (comparison,) = report.comparisons
    for contest in comparison.contests:
        by_name = {contender.name: contender.score for contender in contest.contenders}
        assert by_name["Rate"].num_positives > 100
        assert by_name["BoostedTrees"].gauc.low > by_name["ItemRate"].gauc.high, contest.label


def test_of_many_positives_some_are_chosen_and_all_still_count_as_taken(app, log, history):
    good = app.labels["good"]
    everything = sampled_trials(history, log, [good], num_negatives=3)
    trials = sampled_trials(history, log, [good], num_negatives=3, max_lists=40)
    num_positives = int(everything.positive["good"].sum())
    assert len(np.unique(trials.lists)) == trials.positive["good"].sum() == 40
    assert trials.sampling.endswith(f"40 of {num_positives:,} positives of good")
    positive = everything.positive["good"] == 1
    requests = everything.requests
    had = set(
        zip(requests.users[positive].tolist(), requests.items[positive].tolist(),
            requests.as_of_seq[positive].tolist(), strict=True)
    )  # fmt: skip
    for user, item, seq in zip(
        *(column[trials.positive["good"] == 0].tolist() for column in
          (trials.requests.users, trials.requests.items, trials.requests.as_of_seq)), strict=True
    ):  # fmt: skip
        assert not any(u == user and i == item and s <= seq for u, i, s in had)


def test_a_sampled_list_shows_no_logged_order(app, log, tmp_path):
    from rich.console import Console

    from shortlist.offline.report import comparison_tables

    console = Console(record=True, width=200, file=(tmp_path / "out").open("w", encoding="utf-8"))
    for comparison in train(app, log, Registry(tmp_path / "releases")).comparisons:
        console.print(*comparison_tables(comparison))
    console.file.close()
    text = console.export_text()
    assert "a random order" in text
    assert "as logged" not in text


@pytest.mark.parametrize(
    ("num_shown", "enough", "is_sampled"),
    [(20, 100_000, True), (2 * NUM_RATINGS, 100_000, False), (20, 21, True), (20, 20, False)],
)
def test_a_few_impressions_do_not_outweigh_a_history_without(
    app, tmp_path, monkeypatch, num_shown, enough, is_sampled
):
    monkeypatch.setattr(dataset, "ENOUGH_IMPRESSIONS", enough)
    with SqliteLog(tmp_path, log_schemas(app)) as log:
        log.import_history(ratings())
        shown = [
            Event("impression", {"user": f"u{number % NUM_USERS}", "movie": f"m{number % NUM_MOVIES}"})
            for number in range(num_shown)
        ]
        log.append(shown)
        history = History.read(app, log)
        trials = read_trials(history, log, [app.labels["good"]])
    assert (trials.sampling is not None) == is_sampled
    assert (len(trials) == num_shown) != is_sampled
