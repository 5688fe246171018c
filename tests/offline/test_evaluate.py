"""Scores of held-out trials against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.features.offline import Requests
from shortlist.metrics import auc, log_loss
from shortlist.metrics.mean import MetricInputError
from shortlist.offline.evaluate import auc_interval, row_losses, score_label, score_value
from shortlist.offline.ladder.baselines import popularity_probabilities, rate_probabilities
from shortlist.offline.trials import Trials


def trials_of(users, lists, places, items=None, **positive) -> Trials:
    count = len(users)
    zeros = np.zeros(count, np.int64)
    items = zeros if items is None else np.asarray(items)
    return Trials(
        Requests(np.asarray(users), items, zeros, zeros, {}),
        zeros,
        {name: np.asarray(values, np.float32) for name, values in positive.items()},
        dict.fromkeys(positive, zeros),
        np.asarray(lists),
        np.asarray(places),
        "slate",
    )


def random_trials(seed: int, count: int = 400) -> Trials:
    random = np.random.default_rng(seed)
    lists = np.sort(random.integers(0, 90, count))
    places = np.arange(count) - np.searchsorted(lists, lists) + 1
    return trials_of(
        lists % 17, lists, places, random.integers(0, 30, count),
        good=random.random(count) < 0.3, better=random.random(count) < 0.1,
    )  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_value_is_that_of_the_first_half_of_each_list(seed):
    trials, random = random_trials(seed), np.random.default_rng(seed + 1)
    rows = np.flatnonzero(random.random(len(trials)) < 0.9)
    scores = random.permutation(len(rows)).astype(float)
    value = score_value(trials, {"good": 1.0, "better": 5.0}, rows, scores, seed=0)
    kept, top, shares, num_lists, num_rows = 0.0, 0.0, 0.0, 0, 0
    worth = trials.positive["good"].astype(float) + 5.0 * trials.positive["better"]
    for number in np.unique(trials.lists[rows]):
        places = [place for place in range(len(rows)) if trials.lists[rows[place]] == number]
        if len(places) < 2:
            continue
        half = (len(places) + 1) // 2
        first = sorted(places, key=lambda place: -scores[place])[:half]
        logged = sorted(places, key=lambda place: trials.places[rows[place]])[:half]
        num_lists, num_rows = num_lists + 1, num_rows + len(places)
        kept += len(places) * worth[rows[first]].mean()
        top += len(places) * worth[rows[logged]].mean()
        shares += len(places) * worth[rows[places]].mean()
    assert value.num_lists == num_lists
    assert value.per_item.value == pytest.approx(kept / num_rows)
    assert value.logged.value == pytest.approx(top / num_rows)
    assert value.average.value == pytest.approx(shares / num_rows)
    assert value.lift.value == pytest.approx((kept - shares) / num_rows, abs=1e-6)


def test_an_oracle_lifts_and_a_constant_does_not():
    trials = random_trials(1, count=4_000)
    rows = np.arange(len(trials))
    best = score_value(trials, {"good": 1.0}, rows, trials.positive["good"].astype(float))
    constant = score_value(trials, {"good": 1.0}, rows, np.zeros(len(rows)))
    assert best.lift.low > 0.1
    assert constant.lift.low < 0 < constant.lift.high
    assert best.logged == constant.logged


def test_equal_scores_do_not_profit_from_the_logged_order():
    lists = np.repeat(np.arange(500), 4)
    places = np.tile(np.arange(1, 5), 500)
    trials = trials_of(lists % 50, lists, places, good=places == 1)
    rows = np.arange(len(lists))
    score = score_label(trials, "good", rows, np.full(len(lists), 0.25))
    assert score.ndcg_at_10 == pytest.approx(np.mean(1 / np.log2(np.arange(2, 6))), abs=0.03)
    value = score_value(trials, {"good": 1.0}, rows, np.zeros(len(lists)))
    assert value.logged.value == 0.5
    assert value.per_item.value == pytest.approx(0.25, abs=0.03)


def test_lists_of_one_item_have_no_order_to_judge():
    trials = trials_of([0, 1, 2], [0, 1, 2], [1, 1, 1], good=[1, 0, 1])
    assert score_value(trials, {"good": 1.0}, np.arange(3), np.zeros(3)) is None


def test_a_metric_without_a_positive_is_none():
    trials = trials_of([0, 0, 1], [0, 0, 1], [1, 2, 1], good=[0, 0, 0])
    score = score_label(trials, "good", np.arange(3), np.full(3, 0.2))
    assert (score.auc, score.gauc, score.ndcg_at_10) == (None, None, None)
    assert score.log_loss.value == pytest.approx(-np.log(0.8))


def test_the_mean_of_the_row_losses_is_the_log_loss():
    random = np.random.default_rng(0)
    labels = (random.random(300) < 0.4).astype(np.float32)
    probabilities = random.choice([0.0, 1e-20, 0.3, 0.7, 1.0], 300)
    assert row_losses(labels, probabilities).mean() == pytest.approx(log_loss(labels, probabilities))


def test_the_interval_of_an_auc_is_that_of_repeated_rows():
    random = np.random.default_rng(4)
    users = random.integers(0, 40, 600)
    labels = (random.random(600) < 0.4).astype(np.float32)
    scores = np.round(labels * 0.3 + random.random(600), 1)  # with ties
    found = auc_interval(labels, scores, users, seed=9, num_resamples=25)
    again, values = np.random.default_rng(9), []
    for _ in range(25):
        drawn = again.integers(0, 40, 40)
        rows = np.concatenate([np.flatnonzero(users == user) for user in drawn])
        values.append(auc(labels[rows], scores[rows]))
    assert found.value == auc(labels, scores)
    np.testing.assert_allclose([found.low, found.high], np.quantile(values, [0.025, 0.975]))
    nearly = np.round(scores, 2)
    again, gains = np.random.default_rng(9), []
    for _ in range(25):
        rows = np.concatenate([np.flatnonzero(users == user) for user in again.integers(0, 40, 40)])
        gains.append(auc(labels[rows], scores[rows]) - auc(labels[rows], nearly[rows]))
    gain = auc_interval(labels, scores, users, beside=nearly, seed=9, num_resamples=25)
    np.testing.assert_allclose([gain.low, gain.high], np.quantile(gains, [0.025, 0.975]), atol=1e-12)


def test_resamples_without_one_of_the_outcomes_are_left_out_of_the_interval():
    users = np.repeat(np.arange(4), 5)
    labels = (users == 3).astype(np.float32)  # a third of the resamples draw nobody with a positive
    scores = np.random.default_rng(2).random(20)
    found = auc_interval(labels, scores, users, seed=5, num_resamples=60)
    again, values = np.random.default_rng(5), []
    for _ in range(60):
        rows = np.concatenate([np.flatnonzero(users == user) for user in again.integers(0, 4, 4)])
        values.append(auc(labels[rows], scores[rows]))
    assert np.isnan(values).any()
    np.testing.assert_allclose([found.low, found.high], np.nanquantile(values, [0.025, 0.975]))
    gain = auc_interval(labels, scores, users, beside=scores, seed=5)
    assert (gain.value, gain.low, gain.high) == (0, 0, 0)


@pytest.mark.parametrize(
    ("labels", "users"), [([0, 0, 0], [1, 2, 3]), ([1, 1], [1, 2]), ([0, 1, 1], [4, 4, 4])]
)
def test_an_auc_without_both_outcomes_or_of_one_user_has_no_interval(labels, users):
    with pytest.raises(MetricInputError, match="labels: expected both outcomes, of at least 2 users"):
        auc_interval(np.array(labels, np.float32), np.arange(len(labels)) / 4, np.array(users))


def test_the_baselines_are_smoothed_shares_of_training():
    trials = random_trials(2)
    train, rows = np.arange(300), np.arange(300, 400)
    positive, items = trials.positive["good"], trials.requests.items
    rate = (positive[:300].sum() + 1) / 302
    np.testing.assert_allclose(rate_probabilities(trials, "good", train, rows), rate)
    by_hand = []
    for item in items[300:]:
        shown = items[:300] == item
        by_hand.append((positive[:300][shown].sum() + 20 * rate) / (shown.sum() + 20))
    np.testing.assert_allclose(popularity_probabilities(trials, "good", train, rows, 30), by_hand, rtol=1e-6)
