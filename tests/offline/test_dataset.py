"""Datasets: the impressions in order, outcomes as a plain loop finds them, nothing from after the split."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from shortlist.features.offline import History
from shortlist.features.schema import log_schemas
from shortlist.log import SqliteLog
from shortlist.offline.dataset import make_dataset, read_trials
from shortlist.offline.positives import positives, surface_interactions
from shortlist.offline.splits import split_by_share
from shortlist.offline.trials import DAY_US
from shortlist.recipes.video.app import app

LABELS = list(app.labels.values())


def column(source, field):
    return np.asarray(source.source[source.fields[field]])


@pytest.fixture(scope="module")
def trials(history, log):
    return read_trials(history, log, LABELS)


@pytest.fixture(scope="module")
def split(history, trials):
    return split_by_share(trials.times_us, trials.settled_us, history.last_log_time_us)


@pytest.fixture(scope="module")
def dataset(history, trials, split):
    return make_dataset(history, trials, split.train)


def test_a_row_is_an_impression_in_the_order_of_the_log(history, trials, dataset, sources):
    shown = sources[2]
    assert history.users.texts(trials.requests.users) == column(shown, "user").tolist()
    assert history.items.texts(trials.requests.items) == column(shown, "video").tolist()
    np.testing.assert_array_equal(trials.times_us, shown.source["time_us"])
    np.testing.assert_array_equal(trials.places, column(shown, "position"))
    assert dataset.features.shape == (len(trials), len(dataset.columns))
    assert trials.sampling is None


def test_a_list_is_a_slate(trials, sources):
    slates = column(sources[2], "request_id")
    assert trials.list_kind == "slate"
    _, numbers = np.unique(slates, return_inverse=True)
    assert len(np.unique(np.stack([numbers, trials.lists]), axis=1).T) == len(np.unique(slates))


def test_outcomes_are_those_of_a_plain_loop(trials, sources):
    users, videos = column(sources[2], "user").tolist(), column(sources[2], "video").tolist()
    times = sources[2].source["time_us"].tolist()
    expected = {"engaged": np.zeros(len(users)), "liked": np.zeros(len(users))}
    for label, source, within in (("engaged", sources[3], DAY_US // 48), ("liked", sources[4], DAY_US)):
        happened = list(
            zip(
                column(source, "user").tolist(),
                column(source, "video").tolist(),
                source.source["time_us"].tolist(),
                column(source, "watch_s").tolist()
                if label == "engaged"
                else [99.0] * len(source.source["time_us"]),
                strict=True,
            )
        )
        rows: dict[tuple[str, str], list[int]] = {}
        for row, pair in enumerate(zip(users, videos, strict=True)):
            rows.setdefault(pair, []).append(row)
        for user, video, time, watch_s in happened:
            before = [row for row in rows.get((user, video), []) if times[row] <= time]
            if watch_s > 20 and before and time - times[before[-1]] <= within:
                expected[label][before[-1]] = 1
    for label, outcome in expected.items():
        assert outcome.sum() > 100
        np.testing.assert_array_equal(trials.positive[label], outcome)


def test_only_settled_outcomes_are_learnt_from(trials, split):
    for label in LABELS:
        rows = trials.rows(str(label), split.valid, split.learnt_us)
        times = trials.times_us
        by_hand = [
            row
            for row in range(len(trials))
            if split.valid.start_us <= times[row] < split.valid.end_us
            and times[row] + label.within_us <= split.test.start_us
        ]
        assert rows.tolist() == by_hand
        assert len(rows) > 100
    settled = trials.settled_rows(split.test, split.judged_us)
    np.testing.assert_array_equal(settled, trials.rows("liked", split.test, split.judged_us))
    assert len(settled) < len(trials.rows("engaged", split.test, split.judged_us)) + 1


def test_nothing_after_the_split_changes_what_is_learnt(dataset, trials, split, sources, tmp_path):
    """Shuffle who did what after the split: training features, categories and labels stay, bit for bit."""
    random = np.random.default_rng(0)

    def shuffled(source):
        columns = {name: np.asarray(values).copy() for name, values in source.source.items()}
        after = np.flatnonzero(columns["time_us"] >= split.test.start_us)
        for name in ("user", "video", "watch_s"):
            if name in columns:
                columns[name][after] = columns[name][random.permutation(after)]
        return replace(source, source=columns)

    with SqliteLog(tmp_path, log_schemas(app)) as other:
        other.import_history([*sources[:2], *(shuffled(source) for source in sources[2:])])
        history = History.read(app, other)
        other_trials = read_trials(history, other, LABELS)
        other_dataset = make_dataset(history, other_trials, split.train)
    assert other_dataset.encoding.categories == dataset.encoding.categories
    changed = np.flatnonzero(trials.times_us >= split.test.start_us)
    assert (other_dataset.features[changed] != dataset.features[changed]).any(), "the shuffle is seen after"
    for label, period in product(map(str, LABELS), (split.train, split.valid)):
        rows = trials.rows(label, period, split.learnt_us)
        ours, theirs = dataset.examples(label, rows), other_dataset.examples(label, rows)
        assert ours.features.tobytes() == theirs.features.tobytes()
        np.testing.assert_array_equal(ours.labels, theirs.labels)


def test_the_columns_say_which_are_categories(dataset):
    categorical = {column.name: column.cardinality for column in dataset.columns if column.categorical}
    assert set(categorical) == set(dataset.encoding.categories) == {"user.country"}
    codes = dataset.features[:, dataset.encoding.names.index("user.country")]
    assert set(np.unique(codes[~np.isnan(codes)])) == set(range(categorical["user.country"]))
    assert json.dumps(dataset.encoding.categories)


def test_sources_learn_from_every_positive_weighted_by_its_worth(history, sources):
    engaged = positives(history, app.labels["engaged"])
    assert len(engaged) == (column(sources[3], "watch_s") > 20).sum()
    found = surface_interactions(history, app.surfaces["home"])
    assert len(found.users) == len(engaged) + len(sources[4].source["time_us"])
    assert found.weights.sum() == len(engaged) + 5 * len(sources[4].source["time_us"])
    assert (found.num_users, found.num_items) == (len(history.users), len(history.items))


def test_a_log_of_single_impressions_is_ordered_within_a_users_day(sources, tmp_path):
    shown = sources[2]
    alone = replace(
        shown, fields={name: field for name, field in shown.fields.items() if name != "request_id"}
    )
    columns = {name: np.asarray(values).copy() for name, values in shown.source.items()}
    columns["time_us"] += np.arange(len(columns["time_us"]))
    with SqliteLog(tmp_path, log_schemas(app)) as log:
        log.import_history([*sources[:2], replace(alone, source=columns), *sources[3:]])
        history = History.read(app, log)
        trials = read_trials(history, log, LABELS)
    assert trials.list_kind == "user's day"
    days = list(zip(trials.requests.users.tolist(), (trials.times_us // DAY_US).tolist(), strict=True))
    assert (
        len(set(days))
        == len(set(trials.lists.tolist()))
        == len(set(zip(days, trials.lists.tolist(), strict=True)))
    )
