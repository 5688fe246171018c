"""New items beside an index: what they cost, and the order of those that score alike."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from shortlist.index.exact import ExactIndex
from shortlist.stages.newcomers import Newcomers
from shortlist.stages.sources.two_tower import TwoTower
from stages.test_two_tower import upload
from stages.town import Town, codes_of, fitted_for


def nothing(width: int) -> ExactIndex:
    """An index of no items: what is found in it is new."""
    return ExactIndex(np.empty((0, width), np.float32))


@pytest.fixture
def served():
    town, stage = Town(), TwoTower(n=1000, history=5)
    town.surface(stage)
    return town.state(), fitted_for(stage)


def test_a_new_item_costs_what_it_takes_and_one_of_which_nothing_is_known_nothing(served):
    state, fitted = served
    width, user, asked_for = 512, np.ones(512, np.float32), []

    def place(rows):
        asked_for.append(rows)
        return np.full((len(rows), width), len(asked_for), np.float32)

    newcomers = Newcomers(place, fitted.items.encoding, codes_of(state), nothing(width))
    for number in range(2000):
        upload(state, f"new {number}")
        upload(state, f"blank {number}", topic=None, duration_s=None)
    newcomers.nearest(state, user, 10)
    upload(state, "makes room for as many again")
    newcomers.nearest(state, user, 10)
    upload(state, "one more")
    tracemalloc.start()
    try:
        nearest = newcomers.nearest(state, user, 1)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 0.1 * 2000 * width * 4
    assert state.items.vocabulary.texts(nearest.items) == ["one more"]
    assert [len(rows) for rows in asked_for] == [2000, 1, 1]
    assert all(np.isfinite(rows).any(axis=1).all() for rows in asked_for)


def test_equal_scores_have_one_order_however_the_items_came(served):
    state, fitted = served

    def place(rows):
        return np.ones((len(rows), 1), np.float32)

    def nearest():
        return newcomers.nearest(state, np.ones(1, np.float32), 10).items.tolist()

    newcomers = Newcomers(place, fitted.items.encoding, codes_of(state), nothing(1))
    upload(state, "first", topic=None, duration_s=None)
    for name in ("second", "third"):
        upload(state, name)
        nearest()
    upload(state, "second", topic="chess")
    nearest()
    upload(state, "first")
    assert nearest() == state.items.vocabulary.codes(["first", "second", "third"]).tolist()
    upload(state, "second", topic=None, duration_s=None)
    assert nearest() == state.items.vocabulary.codes(["first", "third"]).tolist()
