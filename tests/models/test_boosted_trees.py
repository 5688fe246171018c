"""Boosted trees hold to the contract; how they are scored is tested in `test_tree_scores`."""

from __future__ import annotations

import lightgbm
import numpy as np
import pytest

from models.conformance import RankingModelConformance
from models.planted import examples
from shortlist.models.boosted_trees import BoostedTrees
from shortlist.models.errors import ModelError


class TestBoostedTrees(RankingModelConformance):
    model = BoostedTrees(num_trees=60, num_leaves=15, learning_rate=0.1, min_leaf=40)


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
    [{"num_trees": 0}, {"num_leaves": 1}, {"patience": 0}, {"row_fraction": 1.5}, {"l2": -1}],
)
def test_impossible_settings_are_refused(setting: dict[str, float]) -> None:
    with pytest.raises(ModelError, match=next(iter(setting))):
        BoostedTrees(**setting)
