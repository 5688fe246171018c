"""AUC, GAUC, log loss and calibration against scikit-learn and naive loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from shortlist.metrics import MetricInputError, auc, expected_calibration_error, gauc, log_loss

rows = st.lists(
    st.tuples(st.integers(-2, 3), st.booleans(), st.sampled_from([0.1, 0.2, 0.2000001, 0.7, 1.0])),
    max_size=50,
)


@given(rows=rows)
@settings(max_examples=150, deadline=None)
def test_auc_counts_ordered_pairs(rows: list[tuple[int, bool, float]]) -> None:
    ups = [score for _, label, score in rows if label]
    downs = [score for _, label, score in rows if not label]
    answer = auc([row[1] for row in rows], [row[2] for row in rows])
    if not ups or not downs:
        assert math.isnan(answer)
        return
    wins = sum((up > down) + 0.5 * (up == down) for up in ups for down in downs)
    assert answer == pytest.approx(wins / (len(ups) * len(downs)))


@given(rows=rows)
@settings(max_examples=150, deadline=None)
def test_gauc_is_the_weighted_mean_of_the_groups(rows: list[tuple[int, bool, float]]) -> None:
    weighted, total, counted = 0.0, 0, []
    for group in sorted({row[0] for row in rows}):
        mine = [row for row in rows if row[0] == group]
        if len({row[1] for row in mine}) == 2:
            weighted += len(mine) * auc([row[1] for row in mine], [row[2] for row in mine])
            total += len(mine)
            counted.append(group)
    answer = gauc(np.array([row[0] for row in rows], int), [row[1] for row in rows], [row[2] for row in rows])
    assert answer.groups.tolist() == counted
    assert answer.num_groups == len(counted)
    if counted:
        assert answer.value == pytest.approx(weighted / total)
        assert answer.weights.sum() == total


def test_auc_and_log_loss_match_scikit_learn() -> None:
    random = np.random.default_rng(2)
    probabilities = random.random(5000).round(2)
    labels = random.random(5000) < probabilities
    assert auc(labels, probabilities) == pytest.approx(sklearn.metrics.roc_auc_score(labels, probabilities))
    assert log_loss(labels, probabilities) == pytest.approx(sklearn.metrics.log_loss(labels, probabilities))


def test_gauc_matches_scikit_learn_group_by_group() -> None:
    random = np.random.default_rng(4)
    groups, scores = random.integers(0, 30, 2000), random.random(2000).round(2)
    labels = random.random(2000) < scores
    answer = gauc(groups, labels, scores)
    for group, value, weight in zip(answer.groups, answer.values, answer.weights, strict=True):
        mine = groups == group
        assert value == pytest.approx(sklearn.metrics.roc_auc_score(labels[mine], scores[mine]))
        assert weight == mine.sum()
    assert answer.num_groups == 30


def test_calibration_error_matches_scikit_learn_where_no_two_predictions_are_equal() -> None:
    random = np.random.default_rng(6)
    probabilities = random.permutation(np.linspace(0.01, 0.6, 2000))
    labels = random.random(2000) < probabilities**2
    observed, predicted = calibration_curve(labels, probabilities, n_bins=20, strategy="quantile")
    expected = np.abs(observed - predicted).mean()
    assert expected_calibration_error(labels, probabilities, 20) == pytest.approx(expected)


def test_log_loss_of_a_certain_mistake_is_finite() -> None:
    assert log_loss([1, 0], [0.0, 0.0]) == pytest.approx(-math.log(1e-15) / 2)


def test_calibration_error_of_honest_and_of_doubled_probabilities() -> None:
    random = np.random.default_rng(3)
    truth = random.beta(1, 12, 200_000)
    labels = random.random(200_000) < truth
    assert expected_calibration_error(labels, truth) < 0.003
    # Doubling every probability misses by the mean of the truth, in every bin.
    doubled = np.minimum(2 * truth, 1.0)
    assert expected_calibration_error(labels, doubled) == pytest.approx((doubled - truth).mean(), abs=0.003)


@given(
    examples=st.lists(
        st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.3, 0.5, 1.0])), min_size=1, max_size=40
    ),
    num_bins=st.integers(1, 6),
)
@settings(max_examples=150, deadline=None)
def test_calibration_error_matches_a_naive_loop(examples: list[tuple[bool, float]], num_bins: int) -> None:
    ordered = sorted(probability for _, probability in examples)
    # The b-th edge is the smallest prediction with at least b/num_bins of the rows at or below it.
    edges = [ordered[max(-(-b * len(ordered) // num_bins), 1) - 1] for b in range(1, num_bins)]
    surplus = [0.0] * num_bins
    for label, probability in examples:
        surplus[sum(edge < probability for edge in edges)] += probability - label
    expected = sum(map(abs, surplus)) / len(examples)
    answer = expected_calibration_error([e[0] for e in examples], [e[1] for e in examples], num_bins)
    assert answer == pytest.approx(expected, abs=1e-12)


def test_calibration_error_does_not_depend_on_the_order_of_ties() -> None:
    assert expected_calibration_error([0, 0, 1, 1], [0.5] * 4, 2) == 0.0


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        ([0, 2], [0.5, 0.5], "labels: expected 0 or 1, got 2"),
        ([0, 1], [0.5, math.nan], "probabilities: 1 of 2 are NaN"),
        ([0, 1], [0.5, 1.5], "probabilities: expected values from 0 to 1"),
        ([0, 1], [0.5], "probabilities: expected 2 values"),
        ([], [], "labels: expected at least one example"),
    ],
)
def test_bad_columns_are_named(labels: list[int], probabilities: list[float], message: str) -> None:
    with pytest.raises(MetricInputError, match=message):
        log_loss(labels, probabilities)


def test_a_nan_score_has_no_place_in_an_auc() -> None:
    with pytest.raises(MetricInputError, match="scores: 1 of 2 are NaN"):
        auc([0, 1], [0.5, math.nan])
