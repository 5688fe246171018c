"""Slices of a catalogue's score and of a ranking, against plain loops over users and items."""

from __future__ import annotations

import numpy as np
import pytest

from shortlist.features.encoders import Encoding
from shortlist.features.offline import Requests
from shortlist.models.contract import FeatureColumn
from shortlist.models.popularity import Popularity
from shortlist.models.retrieval import FittedRetrieval, UserBatch
from shortlist.offline.dataset import Dataset, make_dataset, read_trials
from shortlist.offline.evaluate import score_label
from shortlist.offline.evaluation.catalogue import judge
from shortlist.offline.evaluation.catalogue_slices import by_slice, case_slices
from shortlist.offline.evaluation.named_interactions import NamedInteractions
from shortlist.offline.evaluation.protocols import split_by_time
from shortlist.offline.slices import score_slices, trial_slices
from shortlist.offline.splits import split_by_share
from shortlist.offline.trials import Trials
from shortlist.recipes.video.app import app


@pytest.fixture(scope="module")
def holdout():
    """Users and items that come and go; what is known of them."""
    random = np.random.default_rng(5)
    times = np.arange(4000)
    users = np.minimum(random.geometric(0.02, 4000), 200) + times // 40
    items = np.minimum(random.geometric(0.03, 4000), 150) + times // 100
    data = NamedInteractions.from_events(users, items, times)
    who, what = data.user_ids, data.item_ids
    data = data.with_user_attributes(who, {"country": np.array(["de", "fr", "it"])[who % 3]})
    data = data.with_item_attributes(what[1:], {"minutes": what[1:] * 1.5})
    return split_by_time(data.interactions, test=0.3)


def test_each_slice_is_what_a_loop_finds(holdout):
    cases, train = holdout.cases, holdout.train
    score = judge(Popularity(half_life="1h").fit(train), cases)
    learnt = list(zip(train.users.tolist(), train.items.tolist(), strict=True))
    known = {user: len({item for who, item in learnt if who == user}) for user in cases.users.tolist()}
    counts = np.bincount(train.items, minlength=train.num_items)
    countries = train.user_attributes
    expected = {
        "new users": lambda user, item: known[user] == 0,
        "users with a short history": lambda user, item: 0 < known[user] < 5,
        "new items": lambda user, item: counts[item] == 0,
        "user.country: fr": lambda user, item: (
            countries.encoding.categories["country"][int(countries.values[user, 0])] == "fr"
        ),
        "item.minutes: (unknown)": lambda user, item: item == 0,
    }
    slices = case_slices(cases)
    assert {"heavy users", "popular items", "tail items"} <= set(slices)
    assert sum(name.startswith("item.minutes: ") for name in slices) >= 5
    pairs = [
        (user, item)
        for case, user in enumerate(cases.users.tolist())
        for item in cases.relevant[case].tolist()
    ]
    found = {one.name: one for one in by_slice(score, "recall")}
    for name, rule in expected.items():
        wanted = [rule(user, item) for user, item in pairs]
        assert slices.get(name, np.zeros(len(pairs), bool)).tolist() == wanted
        if not any(wanted):
            assert name not in found
            continue
        hits: dict[int, list[bool]] = {}
        for (user, _), rank, inside in zip(pairs, score.ranks, wanted, strict=True):
            if inside:
                hits.setdefault(user, []).append(bool(rank <= 10))
        one = found[name]
        assert (one.num_users, one.num_relevant) == (len(hits), sum(wanted))
        assert one.value == pytest.approx(np.mean([np.mean(row) for row in hits.values()]))
        if len(hits) > 1:
            assert one.interval.low <= one.value <= one.interval.high
            assert one.interval.value == pytest.approx(one.value)
    assert found["new items"].value == 0.0, "popularity knows nothing of new items"
    assert found["popular items"].value > found["tail items"].value


def test_a_model_is_given_the_attributes_of_its_users(holdout):
    seen = []

    class Asked(FittedRetrieval):
        kind, num_items = "asked", holdout.train.num_items

        def scores(self, users: UserBatch):
            seen.append(users.attributes)
            return np.zeros((len(users), self.num_items), np.float32)

        def save(self, folder):
            raise NotImplementedError

        @classmethod
        def load(cls, folder):
            raise NotImplementedError

    judge(Asked(), holdout.cases, batch=50)
    expected = holdout.train.user_attributes.values[holdout.cases.users]
    np.testing.assert_array_equal(np.concatenate(seen), expected)


@pytest.fixture(scope="module")
def dataset():
    random = np.random.default_rng(2)
    count = 3000
    users, items = random.integers(0, 60, count), random.integers(0, 40, count)
    users[2000:] += random.integers(0, 10, 1000)
    items[2000:] += random.integers(0, 5, 1000)
    zeros = np.zeros(count, np.int64)
    country = np.where(users % 7 == 0, np.nan, users % 2)
    trials = Trials(
        Requests(users, items, zeros, zeros, {}), zeros,
        {"good": (random.random(count) < 0.3).astype(np.float32)}, {"good": zeros},
        np.arange(count) // 5, np.arange(count) % 5 + 1, "slate",
    )  # fmt: skip
    columns = (
        FeatureColumn("count(watch, by=user, window=1d)"),
        FeatureColumn("user.country", categorical=True, cardinality=2),
    )
    features = np.stack([random.random(count), country], axis=1).astype(np.float32)
    encoding = Encoding([column.name for column in columns], {"user.country": ["de", "fr"]})
    return Dataset(trials, features, columns, encoding)


def test_trials_of_new_users_new_items_and_each_attribute(dataset):
    train, rows = np.arange(2000), np.arange(2000, 3000)
    users, items = dataset.trials.requests.users, dataset.trials.requests.items
    slices = trial_slices(dataset, train, rows)
    assert not any("count(" in name for name in slices), "an aggregate is no attribute"
    seen_users, seen_items = set(users[train].tolist()), set(items[train].tolist())
    by_hand = {
        "new users": [at for at, row in enumerate(rows) if users[row] not in seen_users],
        "new items": [at for at, row in enumerate(rows) if items[row] not in seen_items],
        "user.country: fr": [at for at, row in enumerate(rows) if users[row] % 7 and users[row] % 2],
        "user.country: (unknown)": [at for at, row in enumerate(rows) if users[row] % 7 == 0],
    }
    for name, places in by_hand.items():
        assert places
        assert slices[name].tolist() == places
    trials_of = np.bincount(users[train], minlength=80)
    heavy, others = (
        trials_of[np.unique(users[rows[places]])]
        for places in (slices["heavy users"], np.setdiff1d(np.arange(1000), slices["heavy users"]))
    )
    assert heavy.min() > others.max()


def test_a_slice_is_scored_as_its_rows_alone_would_be(dataset):
    train, rows = np.arange(2000), np.arange(2000, 3000)
    probabilities = np.random.default_rng(3).uniform(0.1, 0.9, 1000)
    slices = trial_slices(dataset, train, rows)
    scores = score_slices(dataset, "good", rows, probabilities, slices, seed=4)
    assert set(scores) == set(slices)
    places = slices["new items"]
    alone = score_label(dataset.trials, "good", rows[places], probabilities[places], 4)
    assert scores["new items"] == alone
    one_user = {"one": np.flatnonzero(dataset.trials.requests.users[rows] == 3)}
    assert len(one_user["one"]) > 1
    assert score_slices(dataset, "good", rows, probabilities, one_user) == {}


def test_the_attributes_of_a_declared_product_have_slices(history, log):
    trials = read_trials(history, log, [app.labels["engaged"]])
    split = split_by_share(trials.times_us, trials.settled_us, history.last_log_time_us)
    dataset = make_dataset(history, trials, split.train)
    train = trials.rows("engaged", split.train, split.learnt_us)
    rows = trials.rows("engaged", split.test, split.judged_us)
    slices = trial_slices(dataset, train, rows)
    by_country = [places for name, places in slices.items() if name.startswith("user.country: ")]
    assert len(by_country) > 2
    np.testing.assert_array_equal(np.sort(np.concatenate(by_country)), np.arange(len(rows)))
    assert sum(name.startswith("video.duration_s: ") for name in slices) == 5
    assert {name.split(":")[0] for name in slices if ":" in name} == {"user.country", "video.duration_s"}
