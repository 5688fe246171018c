"""Calibration: against scikit-learn's, on scores whose fault is known, and as part of a model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from models.conformance import RankingModelConformance, log_loss
from models.planted import COLUMNS, examples
from shortlist.metrics import auc
from shortlist.models.boosted_trees import BoostedTrees
from shortlist.models.calibrated import Calibrated
from shortlist.models.calibration.curve import IDENTITY, Calibration
from shortlist.models.calibration.fit import best_calibration, isotonic, platt, pool_adjacent
from shortlist.models.contract import Examples
from shortlist.models.cross_network import CrossNetwork
from shortlist.models.errors import ModelError, ModelFileError
from shortlist.models.logistic import Logistic
from shortlist.models.multi_task import TaskExamples


class TestCalibrated(RankingModelConformance):
    model = Calibrated(BoostedTrees(num_trees=40, num_leaves=15, learning_rate=0.1, min_leaf=40))


def scored(num_rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """True log-odds, and labels drawn from them."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(-1.0, 1.5, num_rows)
    return truth, (rng.random(num_rows) < 1 / (1 + np.exp(-truth))).astype(np.float64)


def held_out(labels: np.ndarray) -> Examples:
    count = len(labels)
    features = np.zeros((count, 4), np.float32)
    return Examples(features, COLUMNS, labels.astype(np.float32), np.arange(count) // 3)


def test_platt_finds_the_line_that_was_drawn() -> None:
    truth, labels = scored(40_000, 1)
    found = platt((truth - 0.7) / 3.0, labels, np.ones(40_000))
    assert found.slope == pytest.approx(3.0, rel=0.03)
    assert found.shift == pytest.approx(0.7, abs=0.05)


@settings(max_examples=50, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(-5, 5), st.booleans(), st.floats(0.1, 4.0)), min_size=1, max_size=60)
)
def test_pooling_is_that_of_scikit_learn(rows: list[tuple[int, bool, float]]) -> None:
    scores = np.array([row[0] for row in rows], np.float64)
    labels = np.array([row[1] for row in rows], np.float64)
    weights = np.array([row[2] for row in rows])
    distinct, place = np.unique(scores, return_inverse=True)
    total, positive = np.bincount(place, weights), np.bincount(place, weights * labels)
    block = np.empty(len(distinct), np.int64)
    num_blocks = pool_adjacent(positive, total, block)
    rates = np.bincount(block, positive, num_blocks) / np.bincount(block, total, num_blocks)
    expected = IsotonicRegression().fit(scores, labels, weights).predict(distinct)
    np.testing.assert_allclose(rates[block], expected, atol=1e-9)
    curve = isotonic(scores, labels, weights)
    assert (np.diff(curve(np.linspace(-6, 6, 50))) >= 0).all()


@pytest.mark.parametrize(
    ("fault", "method"),
    [
        (lambda truth: truth, "none"),
        (lambda truth: 2.5 * truth + 1.0, "platt"),
        (lambda truth: np.where(truth > 0, 6 * truth, truth / 6), "isotonic"),
    ],
)
def test_the_map_that_mends_the_fault_is_chosen(fault, method: str) -> None:
    truth, labels = scored(20_000, 2)
    found = best_calibration(fault(truth), held_out(labels))
    assert found.method == method
    fresh, outcomes = scored(20_000, 3)
    bent = fault(fresh)
    chance = 1 / (1 + np.exp(-np.clip(found(bent), -30, 30)))
    assert log_loss(outcomes, chance) < log_loss(outcomes, 1 / (1 + np.exp(-fresh))) + 0.003
    assert auc(outcomes, found(bent)) == pytest.approx(auc(outcomes, bent), abs=1e-3)


def test_few_rows_do_not_choose_a_curve_that_noise_drew() -> None:
    """Fitted and judged on the same rows, isotonic always wins; cross-fitted, it does not."""
    methods = [
        best_calibration(truth, held_out(labels)).method
        for truth, labels in (scored(60, s) for s in range(20))
    ]
    assert methods.count("none") >= 12


def test_scores_that_only_order_are_never_left_as_they_are() -> None:
    truth, labels = scored(3000, 4)
    assert best_calibration(truth, held_out(labels), are_log_odds=False).method != "none"
    one = held_out(np.ones(300))
    assert best_calibration(truth[:300], one, are_log_odds=False).method == "platt"
    assert best_calibration(truth[:300], one) is IDENTITY


def test_a_model_that_is_too_sure_is_mended() -> None:
    sure = BoostedTrees(num_trees=200, num_leaves=63, learning_rate=0.3, min_leaf=2)
    train, valid, test = examples(2000, seed=1), examples(2000, seed=2), examples(4000, seed=3)
    plain = sure.fit(train, None)  # without rows to stop by
    loss = log_loss(test.labels, plain.predict(test.features))
    rest = Calibrated(sure, held_out=0.5).fit(train, None)
    assert rest.calibration.method != "none"
    assert log_loss(test.labels, rest.predict(test.features)) < 0.8 * loss
    kept = Calibrated(Logistic()).fit(train, valid)
    assert log_loss(test.labels, kept.predict(test.features)) < loss


def test_heads_stay_heads_of_one_network() -> None:
    rows = examples(1500, seed=1)
    tasks = TaskExamples(
        rows.features, rows.columns, {"click": rows.labels, "skip": 1 - rows.labels}, rows.groups
    )
    heads = Calibrated(CrossNetwork(epochs=2)).fit_tasks(tasks, None, seed=1)
    shared: dict[str, np.ndarray] = {}
    for head in heads.values():
        assert np.array_equal(head.predict(rows.features, shared), head.predict(rows.features))
    assert len(shared) == 1


def test_a_model_of_one_label_is_fitted_for_each_task() -> None:
    rows = examples(800, seed=1)
    labels = {"click": rows.labels, "skip": 1 - rows.labels}
    seen: list[tuple[int, int]] = []
    fitted = Calibrated(Logistic()).fit_tasks(
        TaskExamples(rows.features, rows.columns, labels, rows.groups), None,
        progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    total = fitted["click"].predict(rows.features) + fitted["skip"].predict(rows.features)
    np.testing.assert_allclose(total, 1.0, atol=0.05)
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]


@pytest.mark.parametrize("model", [BoostedTrees(num_trees=40, min_leaf=5), CrossNetwork(epochs=1)])
def test_a_task_without_validation_rows_is_left_as_it_is(model) -> None:
    rows, late = examples(800, seed=1), examples(800, seed=2)
    train = TaskExamples(
        rows.features, rows.columns, {"click": rows.labels, "buy": 1 - rows.labels}, rows.groups
    )
    valid = TaskExamples(late.features, late.columns, {"click": 1 - late.labels}, late.groups)
    fitted = Calibrated(model).fit_tasks(train, valid, seed=1)
    assert fitted["buy"].calibration is IDENTITY
    assert np.array_equal(fitted["buy"].predict(rows.features), fitted["buy"].ranker.predict(rows.features))
    assert fitted["click"].calibration.method != "none", "its validation rows say the contrary"


def test_what_cannot_be_calibrated_is_refused() -> None:
    with pytest.raises(ModelError, match=r"Calibrated\.model"):
        Calibrated(Calibrated(Logistic()))
    with pytest.raises(ModelError, match=r"Calibrated\.model"):
        Calibrated("logistic")
    with pytest.raises(ModelError, match=r"Calibrated\.held_out"):
        Calibrated(Logistic(), held_out=1.0)


@pytest.mark.parametrize(
    "change",
    [{"method": "magic"}, {"slope": -1.0}, {"scores": [2.0, 1.0]}, {"log_odds": [0.0]}, {"shift": "x"}],
)
def test_a_damaged_calibration_is_refused(change: dict, tmp_path) -> None:
    good = isotonic(np.array([0.0, 1.0]), np.array([0.0, 1.0]), np.ones(2))
    assert Calibration.from_dict(tmp_path, good.as_dict()).as_dict() == good.as_dict()
    with pytest.raises(ModelFileError):
        Calibration.from_dict(tmp_path, {**good.as_dict(), **change})


def test_it_is_named_by_what_it_calibrates() -> None:
    assert Calibrated(Logistic()).name == "Calibrated(Logistic)"
    assert repr(replace(Calibrated(Logistic()), held_out=0.3)).startswith("Calibrated(model=Logistic(l2=")
