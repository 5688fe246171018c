"""Metrics of positives' ranks against scikit-learn, and against the examples of text books."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import (
    average_precision_score,
    label_ranking_average_precision_score,
    ndcg_score,
    precision_score,
    recall_score,
    top_k_accuracy_score,
)

from shortlist.metrics import MetricInputError, PositiveRanks, RankedLists

NUM_LISTS, LENGTH = 60, 30


@pytest.fixture(scope="module")
def drawn():
    """Scores without ties, and labels with one positive or more, a row a list."""
    random = np.random.default_rng(11)
    scores = random.permuted(np.tile(np.arange(float(LENGTH)), (NUM_LISTS, 1)), axis=1)
    labels = random.random((NUM_LISTS, LENGTH)) < random.uniform(0.02, 0.6, (NUM_LISTS, 1))
    labels[np.arange(NUM_LISTS), random.integers(0, LENGTH, NUM_LISTS)] = True
    return scores, labels


def ranks_of(scores, labels) -> PositiveRanks:
    lists, items = np.nonzero(labels)
    return PositiveRanks(lists, (LENGTH - scores[lists, items]).astype(int))


@pytest.mark.parametrize("k", [1, 5, 12, LENGTH])
def test_matches_scikit_learn(drawn, k):
    scores, labels = drawn
    ranks = ranks_of(scores, labels)
    shown = scores >= LENGTH - k
    per_list = {"average": "samples", "zero_division": 0.0}
    assert ranks.recall_at(k).value == pytest.approx(recall_score(labels, shown, **per_list))
    assert ranks.precision_at(k).value == pytest.approx(precision_score(labels, shown, **per_list))
    assert ranks.ndcg_at(k).value == pytest.approx(ndcg_score(labels, scores, k=k))
    for row, (score, label) in enumerate(zip(scores, labels, strict=True)):
        first = np.flatnonzero(score >= LENGTH - k)
        num_hits = label[first].sum()
        # scikit-learn divides by the positives among what it is given, here the first k.
        expected = average_precision_score(label[first], score[first]) * num_hits if num_hits else 0.0
        found = ranks.average_precision_at(k).values[row]
        assert found == pytest.approx(expected / min(label.sum(), k))
        # Where the positives exceed the slots the recall is the precision, else it is not capped.
        capped = precision_score if label.sum() > k else recall_score
        expected = capped(label, shown[row], zero_division=0.0)
        assert ranks.capped_recall_at(k).values[row] == pytest.approx(expected)
        assert ranks.hit_rate_at(k).values[row] == (num_hits > 0)
        best = np.argmax(np.where(label, score, -1.0))
        reciprocal = label_ranking_average_precision_score([np.arange(LENGTH) == best], [score])
        assert ranks.mrr().values[row] == pytest.approx(reciprocal)
        assert ranks.mrr_at(k).values[row] == pytest.approx(reciprocal if num_hits else 0.0)
    assert ranks.average_precision().value == pytest.approx(
        np.mean([average_precision_score(label, score) for label, score in zip(labels, scores, strict=True)])
    )


@pytest.mark.parametrize("k", [1, 5, 12])
def test_with_one_positive_a_list_the_hit_rate_is_the_top_k_accuracy(drawn, k):
    scores, _ = drawn
    target = np.random.default_rng(3).integers(0, LENGTH, NUM_LISTS)
    ranks = ranks_of(scores, np.arange(LENGTH) == target[:, None])
    expected = top_k_accuracy_score(target, scores, k=k, labels=np.arange(LENGTH))
    assert ranks.hit_rate_at(k).value == pytest.approx(expected)
    assert ranks.recall_at(k).value == pytest.approx(expected)
    assert ranks.average_precision_at(k).value == ranks.mrr_at(k).value


def test_it_is_what_ranked_lists_find(drawn):
    scores, labels = drawn
    lists = np.repeat(np.arange(NUM_LISTS) * 3, LENGTH)
    ranked, ranks = RankedLists(lists, scores.ravel(), labels.ravel()), ranks_of(scores, labels)
    for metric in (PositiveRanks.ndcg_at, PositiveRanks.average_precision_at, PositiveRanks.mrr_at):
        np.testing.assert_allclose(metric(ranked, 7).values, metric(ranks, 7).values)
    assert ranked.mrr().groups.tolist() == (np.arange(NUM_LISTS) * 3).tolist()
    assert ranks.mrr().groups.tolist() == list(range(NUM_LISTS))


def test_average_precision_of_croft_metzler_and_strohman():
    """Search Engines: Information Retrieval in Practice, 2015, figures 8.2 and 8.3."""
    one = PositiveRanks([0] * 6 + [1] * 6, [1, 3, 4, 5, 6, 10, 2, 5, 6, 7, 9, 10])
    np.testing.assert_allclose(one.average_precision().values, [0.78, 0.52], atol=0.005)
    two = PositiveRanks([0] * 5 + [1] * 3, [1, 3, 6, 9, 10, 2, 5, 7])
    np.testing.assert_allclose(two.average_precision().values, [0.62, 0.44], atol=0.005)
    assert two.average_precision().value == pytest.approx(0.53, abs=0.005)


def test_mean_reciprocal_rank_of_the_encyclopaedia():
    """Wikipedia, Mean reciprocal rank: the right plural at ranks 3, 2 and 1."""
    assert PositiveRanks([0, 1, 2], [3, 2, 1]).mrr().value == pytest.approx(11 / 18)


def test_ndcg_of_the_encyclopaedia():
    """Wikipedia, Discounted cumulative gain: six found with grades 3, 2, 3, 0, 1, 2; two missed."""
    graded = RankedLists([0] * 8, range(8, 0, -1), [3, 2, 3, 0, 1, 2, 3, 2])
    assert graded.ndcg_at(6).value == pytest.approx(0.785, abs=0.0005)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 0], [1]), "ranks: expected 2 values"),
        (([0, 2], [1, 1]), "lists: expected 0, 1, 2"),
        (([1], [1]), "lists: expected 0, 1, 2"),
        (([1, 0], [1, 1]), "lists: expected 0, 1, 2"),
        (([0], [0]), "ranks: expected 1 or more, got 0"),
        (([0], [1], [0.0]), "gains: expected finite values above zero"),
    ],
)
def test_bad_columns_are_named(arguments, message):
    with pytest.raises(MetricInputError, match=message):
        PositiveRanks(*arguments)
