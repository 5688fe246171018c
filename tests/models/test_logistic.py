"""Logistic regression against scikit-learn on the same slots, and on data whose answer is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from models.conformance import RankingModelConformance, log_loss
from models.planted import examples
from shortlist.models.contract import Examples, FeatureColumn
from shortlist.models.errors import ModelError, ModelFileError
from shortlist.models.logistic import FittedLogistic, Logistic


class TestLogistic(RankingModelConformance):
    model = Logistic()


def test_the_optimum_is_that_of_scikit_learn() -> None:
    train = examples(2000, seed=1)
    fitted = Logistic(l2=2.0, num_knots=5).fit(train, None)
    design = []
    for f, column in enumerate(train.columns):
        entries, keys = train.features[:, f].astype(np.float64), fitted.keys[f]
        missing = np.isnan(entries)
        for slot in range(len(keys)):
            if column.categorical:
                design.append(np.where(missing, 0.0, entries == keys[slot]))
            else:
                corner = np.eye(len(keys))[slot]
                design.append(np.where(missing, 0.0, np.interp(entries, keys, corner)))
        design.append(missing.astype(np.float64))
    matrix = np.stack(design, axis=1)
    oracle = LogisticRegression(C=1 / 2.0, tol=1e-10, max_iter=10_000).fit(matrix, train.labels)
    expected = oracle.predict_proba(matrix)[:, 1]
    predicted = fitted.predict(train.features)
    ridge = sum(float(values @ values) for values in fitted.values)
    loss = 2000 * log_loss(train.labels, predicted) + ridge
    least = 2000 * log_loss(train.labels, expected) + float((oracle.coef_**2).sum())
    assert loss == pytest.approx(least, rel=1e-5)
    np.testing.assert_allclose(predicted, expected, atol=5e-3)


def test_it_draws_a_curve_that_a_straight_line_cannot() -> None:
    rng = np.random.default_rng(1)
    count = rng.lognormal(3.0, 2.0, 20_000).astype(np.float32)
    chance = 0.1 + 0.6 * np.exp(-((np.log(count) - 3.0) ** 2))
    labels = (rng.random(20_000) < chance).astype(np.float32)
    data = Examples(count[:, None], (FeatureColumn("count"),), labels, np.zeros(20_000, np.int64))
    predicted = Logistic(num_knots=16).fit(data, None).predict(data.features)
    assert log_loss(labels, predicted) < log_loss(labels, chance) + 0.01


def test_a_rare_flag_keeps_its_knot() -> None:
    rng = np.random.default_rng(1)
    flag = (rng.random(5000) < 0.03).astype(np.float32)
    labels = (rng.random(5000) < 0.1 + 0.8 * flag).astype(np.float32)
    data = Examples(flag[:, None], (FeatureColumn("flag"),), labels, np.zeros(5000, np.int64))
    off, on = Logistic(l2=1.0).fit(data, None).predict(np.array([[0.0], [1.0]], np.float32))
    assert off == pytest.approx(labels[flag == 0].mean(), abs=0.01)
    assert on == pytest.approx(labels[flag == 1].mean(), abs=0.03)


def test_rare_categories_share_a_value_with_unknown_ones() -> None:
    codes = np.repeat(np.arange(4.0), [500, 500, 3, 4]).astype(np.float32)
    labels = (np.arange(len(codes)) % 2 == 0).astype(np.float32)
    columns = (FeatureColumn("topic", categorical=True, cardinality=9),)
    fitted = Logistic().fit(Examples(codes[:, None], columns, labels, np.zeros(len(codes), np.int64)), None)
    assert fitted.keys[0].tolist() == [0.0, 1.0]
    probabilities = fitted.predict(np.array([[2.0], [3.0], [8.0], [np.nan]], np.float32))
    assert len(set(probabilities)) == 1


@pytest.mark.parametrize("setting", [{"l2": 0.0}, {"num_knots": 1}, {"min_category_rows": 0}])
def test_impossible_settings_are_refused(setting: dict[str, float]) -> None:
    with pytest.raises(ModelError, match=next(iter(setting))):
        Logistic(**setting)


def test_bad_examples_are_refused() -> None:
    good = examples(20, seed=1)
    bad = [
        {"features": good.features[:, :3]},
        {"features": good.features.astype(np.float64)},
        {"labels": good.labels * 2},
        {"groups": good.groups[:5]},
        {"weights": np.zeros(20, np.float32)},
    ]
    for change in bad:
        with pytest.raises(ModelError, match=f"Examples.{next(iter(change))}"):
            Examples(**{**vars(good), **change})


def test_keys_that_no_column_has_are_refused(tmp_path: Path) -> None:
    rows = examples(400, seed=1)
    rows = replace(rows, features=rows.features[:, [0, 0]], columns=(rows.columns[0], FeatureColumn("twin")))
    fitted = Logistic().fit(rows, None)
    for counts, told in (([1 << 62, 1 << 62], "counts of keys"), ([0, 2], "a knot of every number")):
        fitted.save(tmp_path)
        np.save(tmp_path / "num_keys.npy", np.array(counts))
        np.save(tmp_path / "keys.npy", np.arange(2.0))
        np.save(tmp_path / "values.npy", np.zeros(4))
        with pytest.raises(ModelFileError, match=told):
            FittedLogistic.load(tmp_path)
