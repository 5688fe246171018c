"""The packed rows against plain loops over each user's history."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.planted import interactions
from shortlist.models.retrieval import Interactions
from shortlist.models.sequence.stream import Histories, num_rows


def naive_histories(log: Interactions) -> dict[int, list[tuple[int, float]]]:
    """Each user's items in order of the first visit, with the weight of all visits."""
    histories: dict[int, dict[int, float]] = {}
    for user, item, weight in zip(log.users, log.items, log.weights, strict=True):
        history = histories.setdefault(int(user), {})
        history[int(item)] = history.get(int(item), 0.0) + float(weight)
    return {user: list(history.items()) for user, history in histories.items()}


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1000),
    num_events=st.integers(1, 120),
    length=st.integers(1, 15),
    num_held_out=st.integers(0, 12),
)
def test_every_next_item_is_a_target_once(seed: int, num_events: int, length: int, num_held_out: int) -> None:
    log = interactions(10, 20, num_events, seed=seed)
    histories = Histories(log, num_held_out, seed)
    rows = histories.rows(length, seed)
    assert rows.items.shape == (num_rows(histories.num_places, length), length)
    naive = naive_histories(log)
    held_out = Counter(
        (tuple(history.tolist()), int(item))
        for history, item in zip(histories.held_out_histories, histories.held_out_items, strict=True)
    )
    assert held_out.total() == min(num_held_out, sum(len(history) >= 3 for history in naive.values()))
    expected: Counter[tuple[int, int, float]] = Counter()
    for history in naive.values():
        items = [item for item, _ in history]
        if held_out[tuple(items[:-1]), items[-1]]:
            held_out[tuple(items[:-1]), items[-1]] -= 1
            history = history[:-1]
        expected.update((a, b, weight) for (a, _), (b, weight) in pairwise(history))
    assert held_out.total() == 0
    counts = rows.weights > 0
    found = zip(
        rows.items[counts].tolist(), rows.targets[counts].tolist(), rows.weights[counts].tolist(), strict=True
    )
    assert Counter(found) == expected
    # What comes next in a row, of the same user, is the target.
    together = (rows.segments[:, 1:] == rows.segments[:, :-1]) & (rows.segments[:, 1:] >= 0)
    assert np.array_equal(rows.items[:, 1:][together], rows.targets[:, :-1][together])
    assert (rows.weights[:, :-1][together] > 0).all()
    assert (rows.weights[rows.segments < 0] == 0).all()


def test_an_item_that_was_watched_and_liked_is_one_item() -> None:
    times = np.arange(6)
    watched_and_liked = np.array([0, 0, 1, 1, 2, 2], np.int32)
    worth = np.array([1, 5, 1, 5, 1, 5], np.float32)
    log = Interactions(np.zeros(6, np.int32), watched_and_liked, times, worth, num_users=1, num_items=3)
    rows = Histories(log, 0, 0).rows(9, 0)
    is_target = rows.weights > 0
    assert sorted(zip(rows.items[is_target], rows.targets[is_target], strict=True)) == [(0, 1), (1, 2)]
    assert (rows.weights[is_target] == 6).all()
    judged = Histories(log, 1, 0)
    assert judged.held_out_items.tolist() == [2]
    assert [history.tolist() for history in judged.held_out_histories] == [[0, 1]]


def test_each_seed_has_its_own_order_and_cuts() -> None:
    histories = Histories(interactions(30, 20, 900, seed=1), 0, 0)
    first, again, other = (histories.rows(12, seed) for seed in (1, 1, 2))
    assert np.array_equal(first.items, again.items)
    assert first.items.shape == other.items.shape
    assert not np.array_equal(first.items, other.items)


@pytest.mark.parametrize("num_events", [0, 1])
def test_next_to_nothing(num_events: int) -> None:
    histories = Histories(interactions(5, 20, num_events, seed=1), 3, 0)
    assert (histories.num_places, histories.longest) == (num_events, num_events)
    assert len(histories.held_out_items) == 0
