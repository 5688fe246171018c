"""Boosted trees hold to the contract; how they are scored is tested in `test_tree_scores`."""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
import pytest

from models.conformance import RankingModelConformance
from models.planted import examples
from shortlist.metrics import gauc
from shortlist.models.boosted_trees import BoostedTrees
from shortlist.models.contract import Examples, FeatureColumn
from shortlist.models.errors import ModelError
from shortlist.models.trees.scorer import TreeScorer
from shortlist.models.trees.text import parse_trees


class TestBoostedTrees(RankingModelConformance):
    model = BoostedTrees(num_trees=60, num_leaves=15, learning_rate=0.1, min_leaf=40)


class TestLambdaRank(RankingModelConformance):
    model = BoostedTrees(num_trees=60, num_leaves=15, learning_rate=0.1, min_leaf=40, objective="lambdarank")


def test_probabilities_are_those_of_lightgbm(tmp_path) -> None:
    fitted = BoostedTrees(num_trees=40, min_leaf=20).fit(examples(4000, seed=1), None)
    fitted.save(tmp_path)
    booster = lightgbm.Booster(model_file=tmp_path / "trees.txt")
    query = examples(1000, seed=2).features
    np.testing.assert_allclose(fitted.predict(query), booster.predict(query), rtol=1e-14)
    gain = booster.feature_importance("gain")
    np.testing.assert_allclose(list(fitted.importance().values()), gain / gain.sum(), rtol=1e-4)


def test_it_stops_when_validation_stops_improving() -> None:
    eager = BoostedTrees(num_trees=400, num_leaves=31, learning_rate=0.5, min_leaf=5, patience=5)
    steps: list[int] = []
    fitted = eager.fit(
        examples(1500, seed=1), examples(1500, seed=2), progress=lambda done, _: steps.append(done)
    )
    longer = eager.fit(examples(1500, seed=1), None)
    test = examples(3000, seed=3)
    loss = [
        -np.mean(np.log(np.where(test.labels > 0, p, 1 - p)))
        for p in (fitted.predict(test.features), longer.predict(test.features))
    ]
    assert len(set(steps)) < 100
    assert loss[0] < loss[1]


@pytest.mark.parametrize(
    "setting",
    [
        {"objective": "regression"},
        {"num_trees": 0},
        {"num_leaves": 1},
        {"patience": 0},
        {"row_fraction": 1.5},
        {"l2": -1},
    ],
)
def test_impossible_settings_are_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match=next(iter(setting))):
        BoostedTrees(**setting)


def test_lambdarank_orders_within_groups_and_keeps_the_order_when_calibrated() -> None:
    """What all rows of a group share is not learnt: it orders nobody before another."""
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(600), 10)
    own, shared = rng.normal(size=6000), np.repeat(rng.normal(size=600), 10)
    labels = (rng.random(6000) < 1 / (1 + np.exp(1 - own - 2 * shared))).astype(np.float32)
    features = np.stack([own, shared], axis=1).astype(np.float32)
    data = Examples(features, (FeatureColumn("own"), FeatureColumn("shared")), labels, groups)
    shuffled = rng.permutation(6000)
    mixed = Examples(features[shuffled], data.columns, labels[shuffled], groups[shuffled])
    settings = {"num_trees": 40, "num_leaves": 7, "min_leaf": 20}
    ordering = BoostedTrees(objective="lambdarank", **settings).fit(mixed, None)
    plain = BoostedTrees(**settings).fit(mixed, None)
    assert ordering.importance()["own"] > 0.85 > 0.5 > plain.importance()["own"]
    found = ordering.predict(features)
    assert gauc(groups, labels, found).value > 0.7
    scores = TreeScorer(parse_trees(ordering._text))(features)
    assert (np.diff(found[np.argsort(scores, kind="stable")]) >= 0).all()
    assert found.mean() == pytest.approx(labels.mean(), abs=0.03)


def test_a_user_with_more_rows_than_a_query_may_have_is_fitted() -> None:
    data = examples(21_000, seed=1)
    crowd = Examples(data.features, data.columns, data.labels, np.zeros(21_000, np.int64))
    BoostedTrees(num_trees=2, objective="lambdarank").fit(crowd, None)
