"""Two towers: the suite, new items and strangers placed by attributes, training and serving held together."""

from __future__ import annotations

import sys
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from models.conformance import RetrievalModelConformance
from models.planted import interactions
from shortlist.features.encoders import Encoding
from shortlist.models.errors import ModelError
from shortlist.models.retrieval import Attributes, Interactions, UserBatch
from shortlist.models.towers.chunks import TARGETS, Visits
from shortlist.models.towers.fit import TowerData, initial_parameters
from shortlist.models.towers.step import chunk_users
from shortlist.models.two_towers import TwoTowers

SMALL = TwoTowers(width=16, history=20, heads=2, hidden=32, max_rounds=8)


class TestTwoTowers(RetrievalModelConformance):
    model = SMALL


def described(num_users: int = 300, num_items: int = 200) -> Interactions:
    """Planted tastes, known of users and items; one item in ten, and every 7th attribute, is not known."""
    log = interactions(num_users, num_items, 9000, seed=1)
    encoding = Encoding(("taste", "noise"), {"taste": [str(digit) for digit in range(10)]})

    def known(count: int) -> Attributes:
        values = np.stack([np.arange(count) % 10, np.random.default_rng(2).random(count)], axis=1)
        values[::7, 0] = np.nan
        return Attributes(values.astype(np.float32), encoding)

    log = log.take(log.items // 10 != 3)  # the items 30 to 39 are never seen
    return replace(log, user_attributes=known(num_users), item_attributes=known(num_items))


@pytest.fixture(scope="module")
def log() -> Interactions:
    return described()


@pytest.fixture(scope="module")
def fitted(log):
    return replace(SMALL, id_dropout=0.3).fit(log, seed=7)


def tastes(*digits: int) -> np.ndarray:
    return np.array([[digit, 0.5] for digit in digits], np.float32)


def test_a_new_item_is_placed_with_those_that_are_like_it(fitted) -> None:
    new_vectors = fitted.item_vectors(tastes(*range(10)))
    histories = np.array([[digit + 10, digit, digit + 20] for digit in range(10)], np.int32)
    scores = fitted.user_vectors(UserBatch(histories)) @ new_vectors.T
    assert (scores.argmax(axis=1) == np.arange(10)).mean() >= 0.9


def test_an_item_that_training_never_saw_is_as_new(fitted, log) -> None:
    known = log.item_attributes.values[30:40]
    np.testing.assert_allclose(fitted.index.vectors[30:40], fitted.item_vectors(known), rtol=1e-5, atol=1e-6)
    seen = fitted.index.vectors[:30] - fitted.item_vectors(log.item_attributes.values[:30])
    assert (np.abs(seen).max(axis=1) > 0.01).all()


def test_an_item_that_training_never_saw_is_no_history(fitted) -> None:
    with_it = UserBatch(np.array([[31, 4, 14]], np.int32))
    without = UserBatch(np.array([[-1, 4, 14]], np.int32))
    np.testing.assert_allclose(fitted.user_vectors(with_it), fitted.user_vectors(without), rtol=1e-5)


def test_a_new_item_is_worth_what_the_average_one_is(fitted) -> None:
    """Of 19 known items of each taste a few are popular: a new one stands behind those, before the rest."""
    num_better = []
    for taste in range(10):
        user = fitted.user_vectors(UserBatch(np.array([[taste, taste + 10, taste + 20]], np.int32)))
        known = np.setdiff1d(np.arange(taste, 200, 10), [30 + taste])
        is_better = fitted.index.scores(user)[0, known] > (fitted.item_vectors(tastes(taste)) @ user.T)[0, 0]
        num_better.append(int(is_better.sum()))
    assert 2 <= np.mean(num_better) <= 15


def test_a_stranger_is_placed_by_attributes(fitted) -> None:
    nothing = np.full((10, 4), -1, np.int32)
    items, _ = fitted.retrieve(UserBatch(nothing, tastes(*range(10))), 5)
    assert (items % 10 == np.arange(10)[:, None]).mean() > 0.6
    strangers = fitted.scores(UserBatch(nothing[:1]))
    unknown = fitted.scores(UserBatch(nothing[:1], np.full((1, 2), np.nan, np.float32)))
    np.testing.assert_array_equal(strangers, unknown)


def test_training_and_serving_place_a_user_alike(log) -> None:
    """Each target of some chunks against the serving path, asked with that target's own history."""
    rng = np.random.default_rng(4)
    data = TowerData(SMALL, log, rng)
    params = initial_parameters(SMALL, data, rng)
    params["user_slots"] = rng.normal(size=params["user_slots"].shape).astype(np.float32)
    visits = Visits.first(log)
    chunks = rng.choice(visits.chunks(), 12, replace=False)
    items, _, weights, users = visits.batch(chunks, SMALL.history, 1, rng)
    trained = chunk_users(SMALL.history)(params, items, data.user_weights(users))
    is_target = weights.reshape(-1) > 0
    places = (chunks[:, None] + np.arange(TARGETS)).reshape(-1)[is_target]
    batch = visits.before(places, SMALL.history)
    batch = UserBatch(batch.history, log.user_attributes.values[visits.users[places]])
    served = data.fitted(params).user_vectors(batch)
    assert (batch.history >= 0).any(axis=1).sum() > 30
    np.testing.assert_allclose(np.asarray(trained)[is_target], served[:, :-1], rtol=1e-4, atol=1e-5)
    assert (served[:, -1] == 1).all()


def test_many_new_items_are_placed_some_at_a_time(fitted) -> None:
    """What they weigh on the slots takes more than their vectors do, and is never held whole."""
    rows = np.tile(tastes(*range(10)), (10_000, 1))
    tracemalloc.start()
    try:
        vectors = fitted.item_vectors(rows)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 1.4 * vectors.nbytes
    np.testing.assert_allclose(vectors[-10:], fitted.item_vectors(rows[:10]), rtol=1e-5, atol=1e-6)
    assert fitted.item_vectors(rows[:0]).shape == (0, vectors.shape[1])


def test_other_attributes_than_in_training_are_refused(fitted) -> None:
    with pytest.raises(ModelError, match="taste, noise"):
        fitted.item_vectors(np.zeros((1, 3), np.float32))
    with pytest.raises(ModelError, match="taste, noise"):
        fitted.user_vectors(UserBatch(np.zeros((1, 3), np.int32), np.zeros((1, 1), np.float32)))


def test_a_round_that_diverged_is_not_kept() -> None:
    log = interactions(100, 60, 2000, seed=1)
    saved = replace(SMALL, learning_rate=300.0).fit(log, seed=7)  # diverges; a third of a third does not
    assert np.isfinite(saved.index.vectors).all()
    with pytest.raises(ModelError, match=r"TwoTowers\.learning_rate.*lower it"):
        replace(SMALL, learning_rate=1e6).fit(log, seed=7)


def test_without_jax_it_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "jax", None)
    with pytest.raises(ModelError, match=r"pip install \"shortlist\[deep\]\""):
        replace(SMALL, history=19).fit(interactions(10, 20, 100, seed=1))


@pytest.mark.parametrize(
    "setting",
    [
        {"width": 0},
        {"history": 0},
        {"horizon": 0},
        {"heads": -1},
        {"id_dropout": 1.0},
        {"learning_rate": 0.0},
    ],
)
def test_impossible_settings_are_refused(setting: dict[str, float]) -> None:
    with pytest.raises(ModelError, match=next(iter(setting))):
        TwoTowers(**setting)
