"""The kernel that takes blocks of rows gives the bits of the one that walks, whatever the trees and rows."""

from __future__ import annotations

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.models.trees import walk
from shortlist.models.trees.kernel import packed
from shortlist.models.trees.scorer import TreeScorer
from shortlist.models.trees.text import LOG_ODDS, Trees, parse_trees

NUM_FEATURES = 6
ODD = np.array(
    [np.nan, np.inf, -np.inf, 0, -0.0, 1e-36, -1e-36, 1e-35, 1.1e-35, 3e38, -1, -0.5, 4.7, 31, 32, 63.9, 1e6],
    np.float32,
)


def random_children(rng: np.random.Generator, num_leaves: int) -> np.ndarray:
    """Splits a random leaf again and again, and numbers splits as they come, as LightGBM does."""
    children = np.zeros((num_leaves - 1, 2), np.int32)
    where: list[tuple[int, int]] = []  # of each leaf: its parent, and which side
    for split in range(num_leaves - 1):
        if split:
            leaf = int(rng.integers(len(where)) if rng.random() < 0.7 else len(where) - 1)
            children[where[leaf]] = split
            where[leaf] = (split, 0)
        else:
            leaf, where = 0, [(0, 0)]
        children[split] = (~leaf, ~len(where))
        where.append((split, 1))
    return children


def random_trees(
    rng: np.random.Generator, leaves: list[int], num_thresholds: int, categorical: float
) -> Trees:
    """Trees of so many leaves each, splits on anything, with zero and NaN sent anywhere."""
    num_splits = sum(leaves) - len(leaves)
    pool = np.concatenate([rng.normal(size=num_thresholds).astype(np.float32), ODD[1:10]])
    is_categorical = rng.random(num_splits) < categorical
    words = np.where(is_categorical, rng.integers(1, 4, num_splits), 0)
    last = np.cumsum(words)
    category_words = np.where(is_categorical[:, None], np.stack([last - words, last], 1), 0)
    bitsets = rng.integers(0, 2**32, words.sum(), dtype=np.uint32)
    bitsets &= rng.integers(0, 2**32, len(bitsets), dtype=np.uint32)
    threshold = rng.choice(pool, num_splits)
    natural = threshold >= 0
    free = rng.random(NUM_FEATURES) < 0.5  # features whose zeros and NaN do not follow from thresholds
    feature = rng.integers(0, NUM_FEATURES, num_splits)
    zero_left = np.where(free[feature], rng.random(num_splits) < 0.5, natural)
    free = rng.random(NUM_FEATURES) < 0.5
    missing_left = np.where(free[feature], rng.random(num_splits) < 0.5, natural) & ~is_categorical
    roots, children, split, leaf = [], [], 0, 0
    for count in leaves:
        roots.append(split if count > 1 else ~leaf)
        own = random_children(rng, count)
        children.append(np.where(own >= 0, own + split, own - leaf))
        split, leaf = split + count - 1, leaf + count
    return Trees(
        objective=LOG_ODDS,
        num_features=NUM_FEATURES,
        roots=np.array(roots, np.int32),
        feature=feature.astype(np.int32),
        threshold=threshold,
        children=np.concatenate(children).astype(np.int32).reshape(-1, 2),
        zero_left=zero_left,
        missing_left=missing_left,
        category_words=category_words.astype(np.int32),
        bitsets=bitsets,
        leaf_value=rng.normal(size=leaf),
        gain=np.ones(NUM_FEATURES),
    )


def random_rows(rng: np.random.Generator, trees: Trees, num_rows: int) -> np.ndarray:
    """Numbers, categories, thresholds and their neighbours, and odd values."""
    near = trees.threshold[rng.integers(0, max(len(trees.threshold), 1), 50)] if len(trees.threshold) else ODD
    with np.errstate(over="ignore", under="ignore"):
        values = np.concatenate(
            [ODD, near, np.nextafter(near, np.float32(9)), rng.integers(0, 99, 99), -near]
        )
    rows = rng.choice(values.astype(np.float32), (num_rows, NUM_FEATURES))
    some = rng.random(rows.shape) < 0.5
    rows[some] = rng.normal(size=int(some.sum()))
    return rows


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    leaves=st.lists(st.sampled_from([1, 2, 3, 7, 63, 64, 65, 200, 256]), min_size=1, max_size=6),
    num_rows=st.sampled_from([0, 1, 2, 63, 64, 65, 300, 449, 511, 512, 513, 1100]),
    num_thresholds=st.sampled_from([1, 3, 20, 3000]),
    categorical=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_blocks_of_rows_get_the_bits_of_the_walk(
    seed: int, leaves: list[int], num_rows: int, num_thresholds: int, categorical: float
) -> None:
    rng = np.random.default_rng(seed)
    trees = random_trees(rng, leaves, num_thresholds, categorical)
    rows = random_rows(rng, trees, num_rows)
    fast = packed(trees)
    assert fast is not None
    expected = walk.raw_scores(trees, rows)
    assert np.array_equal(fast.raw_scores(rows), expected)
    assert np.array_equal(fast.raw_scores(np.asfortranarray(rows)), expected)


def test_features_with_more_thresholds_than_a_byte_can_count_are_met() -> None:
    """Guards the test above: without these, it would prove nothing about them."""
    rng = np.random.default_rng(1)
    trees = random_trees(rng, [256] * 6, 3000, 0.0)
    fast = packed(trees)
    assert fast is not None
    assert len(fast.bins.feature) > NUM_FEATURES == len(set(fast.bins.feature))
    assert len(fast.bins.zero_side) > len(fast.bins.feature)
    assert set(fast.bins.zero_side) == set(fast.bins.missing_side) == {0, 1, 2}


def test_what_the_kernel_cannot_have_is_walked() -> None:
    rng = np.random.default_rng(2)
    large = random_trees(rng, [3, 257], 20, 0.2)
    odd = random_trees(rng, [63, 63], 20, 0.0)
    odd.threshold[5] = np.nan
    for trees in (large, odd):
        assert packed(trees) is None
        rows = random_rows(rng, trees, 700)
        expected = walk.raw_scores(trees, rows)
        assert np.array_equal(TreeScorer(trees)(np.asfortranarray(rows)), expected)


@pytest.mark.parametrize(("num_leaves", "is_packed"), [(63, True), (256, True), (400, False)])
def test_large_trees_with_fine_bins_score_as_lightgbm_scores_them(num_leaves: int, is_packed: bool) -> None:
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(6000, 4)).astype(np.float32)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    labels = rng.random(6000) < 1 / (1 + np.exp(-np.nan_to_num(rows).sum(1) - np.isnan(rows[:, 0])))
    settings = {"num_leaves": num_leaves, "max_bin": 4000, "min_data_in_leaf": 3, "min_data_in_bin": 1}
    fixed = {"objective": "binary", "verbosity": -1, "num_threads": 1, "deterministic": True}
    booster = lightgbm.train({**fixed, **settings}, lightgbm.Dataset(rows, labels), 8)
    trees = parse_trees(booster.model_to_string())
    assert (packed(trees) is not None) == is_packed
    expected = booster.predict(rows, raw_score=True, num_threads=1)
    np.testing.assert_allclose(TreeScorer(trees)(rows), expected, rtol=1e-12, atol=0)


def test_the_same_model_serves_rows_and_columns_without_a_copy_and_with_the_same_bits() -> None:
    rng = np.random.default_rng(4)
    trees = random_trees(rng, [31] * 20, 100, 0.1)
    rows = random_rows(rng, trees, 200)
    columns = np.asfortranarray(rows)
    columns.setflags(write=False)
    assert np.array_equal(TreeScorer(trees)(rows), TreeScorer(trees)(columns))
