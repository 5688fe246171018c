"""RankedLists against a naive loop and scikit-learn."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, ndcg_score

from shortlist.metrics import Mean, MetricInputError, RankedLists

Example = tuple[int, float, int]

# Few distinct scores and groups, so that ties, lists of one and lists without a positive are common.
examples = st.lists(
    st.tuples(st.integers(-3, 3), st.sampled_from([0.0, 0.25, 0.5, -1.0, math.nan]), st.integers(0, 3)),
    max_size=40,
)


def columns(rows: list[Example]) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    return (
        np.array([row[0] for row in rows], dtype=np.int64),
        np.array([row[1] for row in rows], dtype=np.float64),
        np.array([row[2] for row in rows], dtype=np.int64),
    )


def naive_lists(rows: list[Example]) -> list[list[int]]:
    """The gains of each counted list, best score first, by plain sorting."""
    lists: dict[int, list[tuple[float, int]]] = {}
    for group, score, gain in rows:
        lists.setdefault(group, []).append((math.inf if math.isnan(score) else -score, gain))
    ordered = [
        [gain for _, gain in sorted(pairs, key=lambda pair: pair[0])] for _, pairs in sorted(lists.items())
    ]
    return [gains for gains in ordered if any(gains)]


def naive_dcg(gains: list[int], k: int) -> float:
    return sum(gain / math.log2(index + 2) for index, gain in enumerate(gains[:k]))


def naive_precisions(gains: list[int]) -> list[float]:
    found = [index for index, gain in enumerate(gains) if gain]
    return [(count + 1) / (index + 1) for count, index in enumerate(found)]


ORACLES: list[tuple[str, Callable[[RankedLists, int], Mean], Callable[[list[int], int], float]]] = [
    ("ndcg", RankedLists.ndcg_at, lambda g, k: naive_dcg(g, k) / naive_dcg(sorted(g, reverse=True), k)),
    ("hit rate", RankedLists.hit_rate_at, lambda g, k: float(any(g[:k]))),
    ("recall", RankedLists.recall_at, lambda g, k: sum(map(bool, g[:k])) / sum(map(bool, g))),
    ("precision", RankedLists.precision_at, lambda g, k: sum(map(bool, g[:k])) / k),
    ("mrr", lambda lists, _: lists.mrr(), lambda g, _: 1 / (1 + next(i for i, gain in enumerate(g) if gain))),
    (
        "average precision",
        lambda lists, _: lists.average_precision(),
        lambda g, _: sum(naive_precisions(g)) / len(naive_precisions(g)),
    ),
    (
        "mrr at k",
        RankedLists.mrr_at,
        lambda g, k: next((1 / place for place, gain in enumerate(g[:k], start=1) if gain), 0.0),
    ),
    (
        "average precision at k",
        RankedLists.average_precision_at,
        lambda g, k: sum(naive_precisions(g[:k])) / min(k, len(naive_precisions(g))),
    ),
]


@pytest.mark.parametrize(("metric", "oracle"), [row[1:] for row in ORACLES], ids=[row[0] for row in ORACLES])
@given(rows=examples, k=st.integers(1, 6))
@settings(max_examples=80, deadline=None)
def test_matches_a_naive_loop(
    metric: Callable[[RankedLists, int], Mean],
    oracle: Callable[[list[int], int], float],
    rows: list[Example],
    k: int,
) -> None:
    expected = [oracle(gains, k) for gains in naive_lists(rows)]
    answer = metric(RankedLists(*columns(rows)), k)
    assert answer.num_groups == len(expected)
    np.testing.assert_allclose(answer.values, expected, rtol=1e-12)
    if expected:
        assert answer.value == pytest.approx(sum(expected) / len(expected))
    else:
        assert math.isnan(answer.value)


def test_matches_scikit_learn() -> None:
    random = np.random.default_rng(5)
    groups = random.integers(0, 40, 900)
    scores, gains = random.normal(size=900), random.integers(0, 4, 900)
    lists = RankedLists(groups, scores, gains)
    ndcg, precision = lists.ndcg_at(7), lists.average_precision()
    for row, group in enumerate(ndcg.groups):
        mine = groups == group
        assert ndcg.values[row] == pytest.approx(ndcg_score([gains[mine]], [scores[mine]], k=7))
        assert precision.values[row] == pytest.approx(average_precision_score(gains[mine] > 0, scores[mine]))


def test_ties_keep_the_order_of_the_input_and_nan_sinks() -> None:
    assert RankedLists([1, 1], [0.5, 0.5], [1, 0]).mrr().value == 1.0
    assert RankedLists([1, 1], [0.5, 0.5], [0, 1]).mrr().value == 0.5
    assert RankedLists([1, 1], [math.nan, -9.0], [1, 0]).mrr().value == 0.5


def test_a_list_without_a_positive_is_left_out() -> None:
    answer = RankedLists([1, 1, 2, 2], [3, 2, 3, 2], [0, 0, 1, 0]).hit_rate_at(1)
    assert (answer.value, answer.num_groups, answer.groups.tolist()) == (1.0, 1, [2])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, 1], [0.1], [0, 1]), "scores: expected 2 values"),
        (([1, 1], [0.1, 0.2], [0, -1]), "gains: expected finite values"),
        (([1, 1], [0.1, 0.2], [0, math.inf]), "gains: expected finite values"),
        ((["a", "b"], [0.1, 0.2], [0, 1]), "groups: expected whole numbers"),
        (([[1, 1]], [0.1, 0.2], [0, 1]), "groups: expected one value an example"),
    ],
)
def test_bad_columns_are_named(arguments: tuple[list[int], list[float], list[float]], message: str) -> None:
    with pytest.raises(MetricInputError, match=message):
        RankedLists(*arguments)


def test_a_cut_off_below_one_is_refused() -> None:
    with pytest.raises(MetricInputError, match="k: expected a cut-off of 1 or more, got 0"):
        RankedLists([1], [1.0], [1]).ndcg_at(0)
