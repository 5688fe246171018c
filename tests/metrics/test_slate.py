"""Coverage, Gini, novelty and diversity against naive loops and other libraries."""

from __future__ import annotations

import itertools
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy
from sklearn.metrics import auc as sklearn_area
from sklearn.metrics.pairwise import cosine_distances

from shortlist.metrics import MetricInputError, coverage, gini, intra_list_diversity, novelty

NUM_ITEMS = 6
slates_of_four = st.lists(
    st.lists(st.integers(-1, NUM_ITEMS - 1), min_size=4, max_size=4), min_size=1, max_size=12
).filter(lambda slates: any(item >= 0 for slate in slates for item in slate))


@given(slates=slates_of_four, counts=st.lists(st.integers(0, 50), min_size=NUM_ITEMS, max_size=NUM_ITEMS))
@settings(max_examples=150, deadline=None)
def test_matches_naive_loops(slates: list[list[int]], counts: list[int]) -> None:
    served = [item for slate in slates for item in slate if item >= 0]
    exposures = [served.count(item) for item in range(NUM_ITEMS)]
    assert coverage(slates, NUM_ITEMS) == len(set(served)) / NUM_ITEMS
    gaps = sum(abs(a - b) for a, b in itertools.product(exposures, exposures))
    assert gini(slates, NUM_ITEMS) == pytest.approx(gaps / (2 * NUM_ITEMS * sum(exposures)))
    surprises = [-math.log2((counts[item] + 1) / (sum(counts) + NUM_ITEMS)) for item in served]
    assert novelty(slates, counts) == pytest.approx(sum(surprises) / len(surprises))


@given(slates=slates_of_four, seed=st.integers(0, 1000))
@settings(max_examples=100, deadline=None)
def test_diversity_is_the_mean_cosine_distance_of_pairs(slates: list[list[int]], seed: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(NUM_ITEMS, 3))
    vectors[0] = 0.0
    distance = cosine_distances(vectors)
    distance[0, 0] = 1.0  # a zero vector is far from everything, itself included
    expected = []
    for slate in slates:
        pairs = list(itertools.combinations([item for item in slate if item >= 0], 2))
        if pairs:
            expected.append(sum(distance[a, b] for a, b in pairs) / len(pairs))
    answer = intra_list_diversity(slates, vectors)
    assert answer.num_groups == len(expected)
    np.testing.assert_allclose(answer.values, expected, atol=1e-12)


def test_coverage_gini_and_novelty_match_other_libraries() -> None:
    random = np.random.default_rng(8)
    weights = random.pareto(1.0, 300)
    slates = random.choice(300, size=(200, 10), p=weights / weights.sum())
    counts = random.integers(0, 900, 300)
    assert coverage(slates, 300) == pl.Series(slates.ravel()).n_unique() / 300

    exposures = np.bincount(slates.ravel(), minlength=300)
    lorenz = np.concatenate([[0.0], np.cumsum(np.sort(exposures)) / exposures.sum()])
    assert gini(slates, 300) == pytest.approx(1 - 2 * sklearn_area(np.linspace(0, 1, 301), lorenz))

    # The mean surprise is the cross-entropy of what was served with what was met.
    surprise = entropy(exposures, base=2) + entropy(exposures, counts + 1, base=2)
    assert novelty(slates, counts) == pytest.approx(surprise)


def test_gini_of_the_encyclopaedia() -> None:
    """Wikipedia, Gini coefficient: where a share u holds a share f, each alike within, it is f - u."""
    slates = [[item] for item in (0, 1) for _ in range(16)] + [[item] for item in range(2, 10)]
    assert gini(slates, 10) == pytest.approx(0.8 - 0.2)


@given(slates=slates_of_four, seed=st.integers(0, 1000))
@settings(max_examples=100, deadline=None)
def test_categories_are_as_one_hot_vectors(slates: list[list[int]], seed: int) -> None:
    categories = np.random.default_rng(seed).integers(-1, 3, NUM_ITEMS)
    one_hot = (categories[:, None] == np.arange(3)).astype(float)
    expected, answer = intra_list_diversity(slates, one_hot), intra_list_diversity(slates, categories)
    np.testing.assert_allclose(answer.values, expected.values, atol=1e-12)
    np.testing.assert_array_equal(answer.groups, expected.groups)


def test_vectors_of_a_wrong_kind_are_named() -> None:
    with pytest.raises(MetricInputError, match=r"item_vectors: .* got float64 of shape \(3,\)"):
        intra_list_diversity([[0, 1]], [0.5, 0.1, 0.2])


def test_one_hot_topics_give_the_share_of_differing_pairs() -> None:
    topics = np.array([0, 0, 1, 2])
    assert intra_list_diversity([[0, 1, 2], [0, 2, 3]], np.eye(3)[topics]).values.tolist() == pytest.approx(
        [2 / 3, 1]
    )


def test_gini_at_its_ends() -> None:
    assert gini([[0, 1], [2, 3]], 4) == 0.0
    assert gini([[0, 0], [0, 0]], 100) == pytest.approx(0.99)


@pytest.mark.parametrize(
    ("slates", "message"),
    [
        ([0, 1], "expected whole numbers of shape"),
        ([[0.5, 1.0]], "expected whole numbers of shape"),
        ([[0, 9]], "expected items 0 to 5"),
        ([[-2, 1]], "expected items 0 to 5"),
        ([[-1, -1]], "every slot is empty"),
    ],
)
def test_bad_slates_are_named(slates: list[list[int]], message: str) -> None:
    with pytest.raises(MetricInputError, match=message):
        gini(slates, NUM_ITEMS)
