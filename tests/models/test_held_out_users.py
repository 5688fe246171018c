"""Choosing by people left out: who is, what they are asked, and where a search ends."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.planted import interactions
from shortlist.models.popularity import FittedPopularity
from shortlist.models.retrieval import Interactions
from shortlist.models.solvers.held_out_users import best_by_held_out_users, leave_out, mean_ndcg


def test_who_is_left_out_is_asked_for_the_newest() -> None:
    log = interactions(100, 50, 3000, seed=1)
    train, history, target = leave_out(log, seed=3)
    out = np.setdiff1d(np.unique(log.users), np.unique(train.users))
    assert len(out) == len(history) == len(target) == 10
    assert len(train.users) == np.isin(log.users, out, invert=True).sum()
    for user, seen, asked in zip(out, history, target, strict=True):
        newest_first = list(dict.fromkeys(log.items[log.users == user][::-1].tolist()))
        count = min(5, max(1, round(0.2 * len(newest_first))))
        assert asked[asked >= 0].tolist() == newest_first[:count]
        assert seen[seen >= 0].tolist() == newest_first[count:]


def test_the_same_seed_leaves_the_same_people_out() -> None:
    log = interactions(100, 50, 3000, seed=1)
    first, again, other = (leave_out(log, seed)[1] for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_ndcg_by_hand() -> None:
    fitted = FittedPopularity(np.array([5.0, 4.0, 3.0, 2.0, 1.0], np.float32))
    history = np.array([[0, -1], [3, 4]], np.int32)
    target = np.array([[2, -1], [0, 1]], np.int32)
    # The first lists 1, 2, 3, 4: its one target is second. The second lists 0, 1, 2: both targets lead.
    assert mean_ndcg(fitted, history, target) == pytest.approx((1 / math.log2(3) + 1.0) / 2)


@pytest.mark.parametrize("best", range(5))
@pytest.mark.parametrize("start", range(5))
def test_the_search_climbs_to_the_top_from_anywhere(best: int, start: int) -> None:
    log = interactions(100, 50, 3000, seed=1)
    counts = np.bincount(log.items, minlength=50).astype(np.float32)
    noise = np.random.default_rng(0).permutation(counts)
    tried: list[float] = []

    def fit(setting: float, train: Interactions) -> FittedPopularity:
        tried.append(setting)
        return FittedPopularity(counts + 3.0 * abs(setting / 10 - best) * noise)

    assert best_by_held_out_users([0.0, 10.0, 20.0, 30.0, 40.0], start, fit, log, seed=0) == 10.0 * best
    assert len(set(tried)) == len(tried)


def test_too_few_people_leave_the_start() -> None:
    log = interactions(5, 20, 60, seed=1)
    assert best_by_held_out_users([1.0, 2.0], 1, lambda *_: pytest.fail("fitted"), log, seed=0) == 2.0
