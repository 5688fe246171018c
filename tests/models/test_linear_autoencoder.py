"""The linear autoencoder against a plain inverse, and its two paths against one another."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from models.conformance import RetrievalModelConformance
from models.planted import interactions, users
from shortlist.models.errors import ModelError
from shortlist.models.linear_autoencoder import FittedLinearAutoencoder, LinearAutoencoder
from shortlist.models.retrieval import Interactions, UserBatch


class TestClosedForm(RetrievalModelConformance):
    model = LinearAutoencoder(l2=20.0, gap_half_life=50.0)


class TestFromTheNearest(RetrievalModelConformance):
    model = LinearAutoencoder(l2=20.0, gap_half_life=50.0, most_dense_items=0, num_predictors=30)


def naive_weights(log: Interactions, l2: float) -> np.ndarray:
    """Steck's closed form, float64, on a dense matrix of the greatest weights over their mean."""
    dense = np.zeros((log.num_users, log.num_items))
    np.maximum.at(dense, (log.users, log.items), log.weights)
    dense /= dense[dense > 0].mean()
    inverse = np.linalg.inv(dense.T @ dense + l2 * np.eye(log.num_items))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    return weights


def all_weights(fitted: FittedLinearAutoencoder) -> np.ndarray:
    """The kept weights as a matrix; the others are 0."""
    dense = np.zeros((fitted.num_items, fitted.num_items))
    lists = fitted.lists
    dense[np.repeat(np.arange(len(lists)), np.diff(lists.starts)), lists.items] = lists.scores
    return dense


@pytest.mark.parametrize("num_items", [10, 60, 300])
def test_the_dense_path_is_the_closed_form(num_items: int) -> None:
    log = interactions(200, num_items, 4000, seed=num_items)
    fitted = LinearAutoencoder(5.0, num_neighbours=num_items).fit(log)
    np.testing.assert_allclose(all_weights(fitted), naive_weights(log, 5.0), atol=2e-4)


def test_a_small_ridge_beside_great_weights_is_solved_in_double_precision() -> None:
    users, items = np.divmod(np.arange(40_000, dtype=np.int64), 4)
    log = Interactions(
        users.astype(np.int32),
        items.astype(np.int32),
        np.arange(40_000),
        np.ones(40_000, np.float32),
        10_000,
        4,
    )
    # Everybody had everything: each of three others predicts a third, and that of single precision fails.
    fitted = LinearAutoencoder(1e-4, gap_half_life=9.0).fit(log)
    np.testing.assert_allclose(all_weights(fitted), (1 - np.eye(4)) / 3, atol=1e-5)


@pytest.mark.parametrize(("l2", "matrices"), [(5.0, 3), (1e-7, 5)])
def test_it_takes_as_many_matrices_as_it_says(l2: float, matrices: int) -> None:
    """Everybody had everything, so that no number of the sparse product is left out."""
    num_items = 1500
    users, items = np.divmod(np.arange(4 * num_items, dtype=np.int32), np.int32(num_items))
    ones = np.ones(len(items), np.float32)
    log = Interactions(users, items, np.arange(len(items)), ones, 4, num_items)
    model = LinearAutoencoder(l2, num_neighbours=1, gap_half_life=9.0)
    model.fit(interactions(30, 20, 300, seed=1))  # what is imported does not count
    tracemalloc.start()
    try:
        model.fit(log)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (matrices - 0.5) * 4 * num_items**2 < peak_bytes < (matrices + 0.2) * 4 * num_items**2


@pytest.mark.parametrize("most_dense_items", [0, 1000])
def test_of_no_items_there_is_nothing_to_learn(most_dense_items: int) -> None:
    nothing = np.empty(0, np.int32)
    log = Interactions(nothing, nothing, np.empty(0, np.int64), np.empty(0, np.float32), 3, 0)
    fitted = LinearAutoencoder(most_dense_items=most_dense_items).fit(log)
    items, _ = fitted.retrieve(UserBatch(np.full((2, 3), -1, np.int32)), 4)
    assert (items == -1).all()


def test_both_paths_agree_when_every_item_predicts_every_other() -> None:
    rng = np.random.default_rng(3)
    had = np.flatnonzero(rng.random(150 * 40) < 0.4)
    log = Interactions(
        (had // 40).astype(np.int32), (had % 40).astype(np.int32), np.arange(len(had)),
        rng.choice([1.0, 2.0], len(had)).astype(np.float32), 150, 40,
    )  # fmt: skip
    model = LinearAutoencoder(5.0, num_neighbours=40, num_predictors=40)
    dense, sparse = model.fit(log), replace(model, most_dense_items=0).fit(log)
    np.testing.assert_allclose(all_weights(sparse), all_weights(dense), atol=1e-4)


def test_an_item_is_predicted_from_the_nearest_by_ridge_regression() -> None:
    log = interactions(200, 60, 4000, seed=7)
    dense = np.zeros((200, 60))
    np.maximum.at(dense, (log.users, log.items), log.weights)
    dense /= dense[dense > 0].mean()
    gramian = dense.T @ dense
    norms = np.sqrt(np.diag(gramian))
    cosine = gramian / np.maximum(np.outer(norms, norms), 1e-12)
    np.fill_diagonal(cosine, -1.0)
    fitted = LinearAutoencoder(5.0, num_neighbours=60, most_dense_items=0, num_predictors=15).fit(log)
    found = all_weights(fitted)
    for item in range(60):
        near = np.argsort(-cosine[item], kind="stable")[:15]
        near = near[cosine[item, near] > 0]
        expected = np.zeros(60)
        ridge = gramian[np.ix_(near, near)] + 5.0 * np.eye(len(near))
        expected[near] = np.linalg.solve(ridge, gramian[near, item])
        np.testing.assert_allclose(found[:, item], expected, atol=1e-4)


@pytest.mark.parametrize("most_dense_items", [0, 1000])
def test_the_strongest_weights_are_kept(most_dense_items: int) -> None:
    log = interactions(300, 200, 9000, seed=1)
    whole = LinearAutoencoder(5.0, num_neighbours=200, most_dense_items=most_dense_items).fit(log)
    few = LinearAutoencoder(5.0, num_neighbours=7, most_dense_items=most_dense_items).fit(log)
    weights = all_weights(whole)
    assert (weights < 0).any()
    for item in range(200):
        strength = np.sort(np.abs(weights[item]))[::-1][:7]
        items, kept = few.lists.of(item)
        np.testing.assert_allclose(np.abs(kept), strength[strength > 0], rtol=1e-5)
        np.testing.assert_allclose(kept, weights[item, items], rtol=1e-5)


def test_a_score_is_the_sum_over_the_history() -> None:
    fitted = LinearAutoencoder(20.0, num_neighbours=200, gap_half_life=3.0).fit(
        interactions(300, 200, 9000, seed=1)
    )
    weights, batch = all_weights(fitted), users(20)
    scores = fitted.scores(batch)
    items, best = fitted.retrieve(batch, 200)
    for row, history in enumerate(batch.history):
        recency = 0.5 ** (np.arange(len(history)) / 3.0)
        expected = (recency[history >= 0, None] * weights[history[history >= 0]]).sum(axis=0)
        np.testing.assert_allclose(scores[row], expected, atol=1e-5)
        found = items[row][items[row] >= 0]
        assert set(np.flatnonzero(expected > 1e-6)) <= set(found.tolist())
        assert (best[row, : len(found)] > 0).all()


def test_what_is_open_is_chosen_by_people_left_out() -> None:
    log = interactions(300, 200, 6000, seed=2)
    seen: list[tuple[int, int]] = []
    fitted = LinearAutoencoder(gap_half_life=None).fit(log, progress=lambda *step: seen.append(step))
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]
    assert len(seen) > 2
    assert fitted.gap_half_life in (3.0, 10.0, 30.0, 100.0, 300.0, 100_000.0)
    alike = [
        np.array_equal(fitted.lists.scores, LinearAutoencoder(l2, gap_half_life=9.0).fit(log).lists.scores)
        for l2 in (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
    ]
    assert sum(alike) == 1


def test_who_is_unknown_is_near_nothing() -> None:
    fitted = LinearAutoencoder(5.0).fit(interactions(30, 20, 300, seed=1))
    items, _ = fitted.retrieve(UserBatch(np.array([[-1, 20, 999]], np.int32)), 5)
    assert (items == -1).all()


@pytest.mark.parametrize(
    "setting",
    [
        {"l2": 0.0},
        {"num_neighbours": 0},
        {"gap_half_life": -1.0},
        {"most_dense_items": -1},
        {"num_predictors": 0},
    ],
)
def test_impossible_settings_are_refused(setting: dict[str, float]) -> None:
    with pytest.raises(ModelError, match=next(iter(setting))):
        LinearAutoencoder(**setting)
