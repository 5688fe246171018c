"""Co-visitation against plain loops over every pair of visits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.conformance import RetrievalModelConformance
from models.planted import interactions
from shortlist.models.co_visitation import CoVisitation
from shortlist.models.errors import ModelError
from shortlist.models.retrieval import Interactions

DAY_US = 86_400_000_000


class TestCoVisitation(RetrievalModelConformance):
    model = CoVisitation(num_neighbours=20, history=30)


def naive_scores(log: Interactions, model: CoVisitation) -> np.ndarray:
    """The whole item-to-item matrix by the definition, one pair of visits at a time."""
    counts = np.zeros((log.num_items, log.num_items))
    squares = np.zeros(log.num_items)
    for user in range(log.num_users):
        last: dict[int, int] = {}
        for event in np.flatnonzero(log.users == user):
            last[int(log.items[event])] = int(event)
        visits = sorted(last.values())[-model.history :]
        for place, event in enumerate(visits):
            item, weight = int(log.items[event]), float(log.weights[event])
            squares[item] += weight**2
            for other_place, other in enumerate(visits):
                if other_place == place:
                    continue
                days = abs(int(log.times_us[other]) - int(log.times_us[event])) / DAY_US
                gap = abs(other_place - place)
                decay = 0.5**days * 0.5 ** (gap / model.gap_half_life)
                direction = 1.0 if other_place > place else model.backward
                counts[item, int(log.items[other])] += weight * float(log.weights[other]) * decay * direction
    norms = np.sqrt(np.outer(squares, squares))
    return np.divide(counts, norms, out=np.zeros_like(counts), where=norms > 0)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    num_events=st.integers(0, 150),
    history=st.integers(1, 12),
    num_neighbours=st.integers(1, 12),
    backward=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_against_plain_loops(
    seed: int, num_events: int, history: int, num_neighbours: int, backward: float
) -> None:
    log = interactions(6, 20, num_events, seed=seed)
    model = CoVisitation(num_neighbours=num_neighbours, history=history, backward=backward)
    fitted = model.fit(log)
    expected = naive_scores(log, model)
    for item in range(20):
        neighbours, scores = fitted.similar(item, num_neighbours)
        assert item not in neighbours
        assert len(set(neighbours.tolist())) == len(neighbours)
        best = np.sort(expected[item])[::-1][: np.count_nonzero(expected[item])][:num_neighbours]
        np.testing.assert_allclose(scores, best, rtol=1e-5)
        np.testing.assert_allclose(scores, expected[item, neighbours], rtol=1e-5)
        assert (scores <= 1.0 + 1e-6).all()
        ties = np.diff(scores) == 0
        assert (np.diff(neighbours)[ties] > 0).all()

    history_items = np.random.default_rng(seed).integers(-2, 25, 7)
    items, scores = fitted.score_history(history_items, 9)
    sums: dict[int, float] = {}
    for place, seen in enumerate(history_items):
        if 0 <= seen < 20:
            for near, score in zip(*fitted.similar(int(seen), num_neighbours), strict=True):
                recency = 0.5 ** (place / model.gap_half_life)
                sums[int(near)] = sums.get(int(near), 0.0) + recency * float(score)
    np.testing.assert_allclose(scores, sorted(sums.values(), reverse=True)[:9], rtol=1e-5)
    np.testing.assert_allclose(scores, [sums[int(item)] for item in items], rtol=1e-5)


def test_it_finds_the_planted_taste() -> None:
    fitted = CoVisitation().fit(interactions(500, 200, 20_000, seed=2))
    for item in range(20):
        neighbours, _ = fitted.similar(item, 5)
        assert np.mean(neighbours % 10 == item % 10) >= 0.8


def test_two_visits_by_hand() -> None:
    log = Interactions(
        users=np.zeros(2, np.int32),
        items=np.array([3, 1], np.int32),
        times_us=np.array([0, DAY_US], np.int64),
        weights=np.ones(2, np.float32),
        num_users=1,
        num_items=5,
    )
    fitted = CoVisitation(time_half_life="1d", gap_half_life=1.0, backward=0.5).fit(log)
    assert [part.tolist() for part in fitted.similar(3, 9)] == [[1], [0.25]]
    assert [part.tolist() for part in fitted.similar(1, 9)] == [[3], [0.125]]
    assert [part.tolist() for part in fitted.score_history(np.array([0, 3]), 9)] == [[1], [0.125]]
    assert [len(part) for part in fitted.score_history(np.array([], np.int64), 9)] == [0, 0]
    assert [len(part) for part in fitted.similar(3, 0)] == [0, 0]


def test_a_stranger_has_no_neighbours() -> None:
    fitted = CoVisitation().fit(interactions(5, 20, 30, seed=1))
    for item in (-1, 20):
        with pytest.raises(ModelError, match=r"an item 0\.\.19"):
            fitted.similar(item, 3)


def test_progress_is_told() -> None:
    seen: list[tuple[int, int]] = []
    CoVisitation().fit(interactions(5, 20, 30, seed=1), progress=lambda *step: seen.append(step))
    assert seen == [(step, seen[-1][1]) for step in range(1, seen[-1][1] + 1)]


@pytest.mark.parametrize(
    "setting", [{"num_neighbours": 0}, {"history": 0}, {"gap_half_life": -1.0}, {"backward": math.inf}]
)
def test_impossible_settings_are_refused(setting: dict[str, float]) -> None:
    with pytest.raises(ModelError, match=next(iter(setting))):
        CoVisitation(**setting)
