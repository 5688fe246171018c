"""Matrix factorisation against plain solves, one user at a time."""

from __future__ import annotations

import json

import numpy as np
import pytest

from models.conformance import RetrievalModelConformance
from models.planted import interactions
from shortlist.models.errors import ModelError, ModelFileError
from shortlist.models.matrix_factorisation import FittedMatrixFactorisation, MatrixFactorisation
from shortlist.models.retrieval import Interactions, UserBatch
from shortlist.models.solvers.alternating import solve_side
from shortlist.models.solvers.user_item_matrix import user_item_matrix

WIDTH = 12


class TestMatrixFactorisation(RetrievalModelConformance):
    model = MatrixFactorisation(width=16, num_epochs=6, unobserved_weight=0.1, l2=0.003, gap_half_life=50.0)


def naive_side(dense: np.ndarray, fixed: np.ndarray, unobserved_weight: float, l2: float) -> np.ndarray:
    """Each row by the definition: one dense system a row, float64."""
    solved = np.zeros((len(dense), fixed.shape[1]))
    for row, weights in enumerate(dense):
        seen = np.flatnonzero(weights)
        system = unobserved_weight * fixed.T @ fixed + fixed[seen].T @ np.diag(weights[seen]) @ fixed[seen]
        system += l2 * (weights.sum() + unobserved_weight * dense.shape[1]) * np.eye(fixed.shape[1])
        solved[row] = np.linalg.solve(system, fixed[seen].T @ weights[seen])
    return solved


def distinct(num_users: int, num_items: int, share: float, seed: int) -> Interactions:
    """Pairs that occur once, each of weight 1."""
    users, items = np.nonzero(np.random.default_rng(seed).random((num_users, num_items)) < share)
    return Interactions(
        users.astype(np.int32), items.astype(np.int32), np.arange(len(users)),
        np.ones(len(users), np.float32), num_users, num_items,
    )  # fmt: skip


def test_an_epoch_is_a_plain_solve_for_each_user_and_each_item() -> None:
    matrix = user_item_matrix(interactions(60, 40, 900, seed=3))
    dense = matrix.toarray().astype(np.float64)
    items = np.random.default_rng(0).normal(0, 0.3, (40, WIDTH)).astype(np.float32)
    users = np.zeros((60, WIDTH), np.float32)
    expected_users = naive_side(dense, items.astype(np.float64), 0.2, 0.01)
    solve_side(matrix, items, users, 0.2, 0.01, num_steps=100)
    np.testing.assert_allclose(users, expected_users, atol=2e-5)
    expected_items = naive_side(dense.T, users.astype(np.float64), 0.2, 0.01)
    solve_side(matrix.T.tocsr(), users, items, 0.2, 0.01, num_steps=100)
    np.testing.assert_allclose(items, expected_items, atol=2e-5)


def test_a_few_steps_an_epoch_end_where_exact_solves_end() -> None:
    log = interactions(80, 50, 1500, seed=4)
    model = MatrixFactorisation(width=8, num_epochs=60, unobserved_weight=0.2, l2=0.01, gap_half_life=1e9)
    fitted = model.fit(log)
    dense = user_item_matrix(log).toarray().astype(np.float64)
    items = fitted.index.vectors.astype(np.float64)

    def loss(items: np.ndarray) -> float:
        users = naive_side(dense, items, 0.2, 0.01)
        products = users @ items.T
        observed = (dense * (1 - products) ** 2).sum() + 0.2 * (products**2).sum()
        scale_U, scale_I = dense.sum(1) + 0.2 * 50, dense.sum(0) + 0.2 * 80
        return observed + 0.01 * ((scale_U @ users**2).sum() + (scale_I @ items**2).sum())

    settled = loss(items)
    for _ in range(60):
        items = naive_side(dense.T, naive_side(dense, items, 0.2, 0.01), 0.2, 0.01)
    assert settled == pytest.approx(loss(items), rel=1e-3)


def test_a_folded_in_user_is_the_trained_user() -> None:
    log = distinct(40, 30, 0.2, seed=1)
    fitted = MatrixFactorisation(
        width=WIDTH, num_epochs=4, unobserved_weight=0.1, l2=0.01, gap_half_life=1e9
    ).fit(log)
    trained = np.zeros((40, WIDTH), np.float32)
    matrix = user_item_matrix(log)
    solve_side(matrix, fitted.index.vectors, trained, fitted.unobserved_weight, fitted.l2, num_steps=100)
    for user in range(40):
        seen = log.items[log.users == user]
        history = np.concatenate([seen[::-1], seen[:2], [-1, 99]]).astype(np.int32)
        np.testing.assert_allclose(fitted.user_vectors(UserBatch(history[None]))[0], trained[user], atol=2e-5)


def test_older_items_of_a_history_weigh_less() -> None:
    model = MatrixFactorisation(width=WIDTH, num_epochs=4, unobserved_weight=0.1, l2=0.01, gap_half_life=2.0)
    fitted = model.fit(distinct(40, 30, 0.2, seed=1))
    vectors = fitted.index.vectors.astype(np.float64)
    history = [7, 3, -1, 7, 11]  # the second 7 does not count; 11 is four places back
    dense = np.zeros((1, 30))
    dense[0, [7, 3, 11]] = [1.0, 0.5**0.5, 0.5**2]
    expected = naive_side(dense, vectors, 0.1, 0.01)[0]
    found = fitted.user_vectors(UserBatch(np.array([history], np.int32)))[0]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_one_thread_or_many_give_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = user_item_matrix(interactions(200, 50, 4000, seed=3))
    items = np.random.default_rng(0).normal(0, 0.3, (50, WIDTH)).astype(np.float32)
    solved = []
    for number in (1, 3):
        monkeypatch.setattr(
            "shortlist.models.solvers.alternating.num_processors", lambda number=number: number
        )
        users = np.zeros((200, WIDTH), np.float32)
        solve_side(matrix, items, users, 0.2, 0.01)
        solved.append(users)
    assert np.array_equal(*solved)


def test_open_settings_are_chosen_by_people_left_out() -> None:
    log = interactions(300, 200, 6000, seed=2)
    seen: list[tuple[int, int]] = []
    model = MatrixFactorisation(width=8, num_epochs=4, gap_half_life=None)
    fitted = model.fit(log, progress=lambda *step: seen.append(step))
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]
    assert len(seen) > 4 + 3
    again = MatrixFactorisation(8, 4, fitted.unobserved_weight, fitted.l2, fitted.gap_half_life).fit(log)
    assert np.array_equal(again.index.vectors, fitted.index.vectors)


def test_the_scale_of_the_weights_changes_nothing() -> None:
    log = interactions(60, 40, 900, seed=3)
    louder = Interactions(log.users, log.items, log.times_us, log.weights * 8, 60, 40)
    model = MatrixFactorisation(width=8, num_epochs=3, unobserved_weight=0.1, l2=0.01, gap_half_life=9.0)
    assert np.array_equal(model.fit(log).index.vectors, model.fit(louder).index.vectors)


def test_who_is_unknown_has_no_taste() -> None:
    fitted = MatrixFactorisation(
        width=8, num_epochs=2, unobserved_weight=0.1, l2=0.01, gap_half_life=1e9
    ).fit(interactions(30, 20, 300, seed=1))
    assert not fitted.user_vectors(UserBatch(np.array([[-1, 20, 999]], np.int32))).any()


def test_nothing_is_found_for_a_history_of_items_that_nobody_had() -> None:
    log = distinct(40, 30, 0.2, seed=1)
    log = log.take(log.items < 25)
    fitted = MatrixFactorisation(8, 4, 0.1, 0.01, 9.0).fit(log)
    items, scores = fitted.retrieve(UserBatch(np.array([[27, 25], [27, 3], [-1, -1]], np.int32)), 5)
    assert (items[[0, 2]] == -1).all()
    assert (scores[[0, 2]] == 0).all()
    assert (items[1] >= 0).all()


def test_impossible_settings_are_refused(tmp_path) -> None:
    for setting in (
        {"width": 0},
        {"num_epochs": 0},
        {"unobserved_weight": 0.0},
        {"l2": -1.0},
        {"gap_half_life": 0},
    ):
        with pytest.raises(ModelError, match=next(iter(setting))):
            MatrixFactorisation(**setting)
    MatrixFactorisation(4, 1, 0.1, 0.01, 9.0).fit(interactions(30, 20, 300, seed=1)).save(tmp_path)
    description = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps({**description, "l2": -1}))
    with pytest.raises(ModelFileError, match="l2"):
        FittedMatrixFactorisation.load(tmp_path)
