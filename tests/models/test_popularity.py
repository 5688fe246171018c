"""Popularity against a sum written out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from models.conformance import RetrievalModelConformance
from models.planted import interactions
from shortlist.models.errors import ModelError
from shortlist.models.popularity import FittedPopularity, Popularity
from shortlist.models.retrieval import Interactions

DAY_US = 86_400_000_000


class TestPopularity(RetrievalModelConformance):
    model = Popularity(half_life="12h")
    is_personal = False


def test_a_weight_halves_with_every_half_life() -> None:
    log = Interactions(
        users=np.zeros(4, np.int32),
        items=np.array([2, 0, 2, 1], np.int32),
        times_us=np.array([0, DAY_US, 2 * DAY_US, 2 * DAY_US], np.int64),
        weights=np.array([4.0, 1.0, 1.0, 3.0], np.float32),
        num_users=1,
        num_items=5,
    )
    fitted = Popularity(half_life="1d").fit(log)
    assert fitted.counts.tolist() == [0.5, 3.0, 2.0, 0.0, 0.0]
    items, scores = fitted.top(2)
    assert items.tolist() == [1, 2]
    assert scores.tolist() == [3.0, 2.0]
    assert fitted.top(10)[0].tolist() == [1, 2, 0]
    assert fitted.top(0)[0].tolist() == []


def test_against_a_plain_loop() -> None:
    log = interactions(50, 40, 700, seed=3)
    expected = [0.0] * 40
    for item, time_us, weight in zip(log.items, log.times_us, log.weights, strict=True):
        age_us = int(log.times_us[-1]) - int(time_us)
        expected[item] += float(weight) * 0.5 ** (age_us / (3 * DAY_US))
    fitted = Popularity(half_life="3d").fit(log)
    np.testing.assert_allclose(fitted.counts, expected, rtol=1e-6)
    order = fitted.top(40)[0]
    assert (np.diff(fitted.counts[order]) <= 0).all()


def test_ties_go_to_the_lower_item() -> None:
    assert FittedPopularity(np.array([1, 2, 1, 2], np.float32)).top(4)[0].tolist() == [1, 3, 0, 2]


def test_a_bad_half_life_is_refused() -> None:
    with pytest.raises(ValueError, match="half_life"):
        Popularity(half_life="a while")


def test_bad_interactions_are_refused() -> None:
    good = interactions(10, 20, 50, seed=1)
    bad = [
        {"items": good.items + 20},
        {"users": good.users - 10},
        {"times_us": good.times_us[::-1].copy()},
        {"weights": good.weights[:-1]},
        {"weights": -good.weights},
    ]
    for change in bad:
        with pytest.raises(ModelError, match="Interactions"):
            Interactions(**{**vars(good), **change})
