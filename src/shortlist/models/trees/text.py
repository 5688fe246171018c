"""Read LightGBM's text format into flat arrays, checked, so that scoring needs no LightGBM.

The meaning of each field follows LightGBM's `tree.h` (version v4 of the format): bit 0 of a decision type
marks a categorical split, bit 1 the side of missing values, bits 2-3 what counts as missing.

All trees are read at once, a field at a time: one by one, they would hold up the requests beside which a
release is loaded for several times as long.

T trees, S splits of all trees, V leaves of all trees, W words of category bitsets, C trees with categories.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.background import give_way
from shortlist.models.files import frozen
from shortlist.models.trees.fields import Fields, check, fields_of, numbers

_CATEGORICAL, _DEFAULT_LEFT = 1, 2
_MISSING_NONE, _MISSING_ZERO, _MISSING_NAN = 0, 1, 2

_HEADER = {"version": "v4", "num_class": "1", "num_tree_per_iteration": "1"}

LOG_ODDS = "binary sigmoid:1"
"""The objective whose scores are log-odds."""

ORDERS = ("lambdarank", "rank_xendcg")
"""Objectives whose scores order rows and mean nothing else."""


@dataclass(frozen=True)
class Trees:
    """An ensemble of binary decision trees, all trees' splits in one set of arrays.

    A child at or above 0 is a split, below 0 it is leaf `~child`; both count over the whole ensemble.
    """

    objective: str
    num_features: int
    roots: NDArray[np.int32]  # [T] a split or a leaf
    feature: NDArray[np.int32]  # [S]
    threshold: NDArray[np.float32]  # [S] left when value <= threshold; unused by categorical splits
    children: NDArray[np.int32]  # [S, 2] left, right
    zero_left: NDArray[np.bool_]  # [S] whether a zero goes left
    missing_left: NDArray[np.bool_]  # [S] whether NaN goes left
    category_words: NDArray[np.int32]  # [S, 2] first and last + 1 word of the bitset; 0, 0 when numerical
    bitsets: NDArray[np.uint32]  # [W] categories that go left, 32 a word
    leaf_value: NDArray[np.float64]  # [V]
    gain: NDArray[np.float64]  # [F] what the splits on each feature gained in training


def parse_trees(text: str) -> Trees:
    """Parse the text of a LightGBM binary classifier or ranker.

    Raises:
        ModelFileError: when the text is damaged, or a kind of model that this reader does not score
            (other objectives, several classes, linear leaves, averaged forests).
    """
    header, *blocks = text.partition("\nend of trees")[0].split("\n\nTree=")
    give_way()
    fields = fields_of(header)
    for key, wanted in _HEADER.items():
        check(fields.get(key) == wanted, f"{key} must be {wanted!r}, found {fields.get(key)!r}")
    objective = fields.get("objective", "")
    known = objective == LOG_ODDS or objective in ORDERS
    check(known, f"objective must be {LOG_ODDS!r} or one of {', '.join(ORDERS)}, found {objective!r}")
    check("average_output" not in header.split("\n"), "averaged forests are not supported")
    check("\nend of trees" in text, "the text ends before its last tree")
    num_trees = len(fields.get("tree_sizes", "").split())
    check(len(blocks) == num_trees > 0, f"expected {num_trees} trees, found {len(blocks)}")
    num_features = int(numbers([fields], "max_feature_idx", np.int64, np.ones(1, np.int64))[0]) + 1
    check(0 < num_features <= 1_000_000, f"impossible number of features {num_features}")
    return _ensemble([_tree(number, block) for number, block in enumerate(blocks)], num_features, objective)


def _tree(number: int, block: str) -> Fields:
    head, _, body = block.partition("\n")
    check(head == str(number), f"expected tree {number}, found {head!r}")
    fields = fields_of(body)
    check(fields.get("is_linear", "0") == "0", "linear leaves are not supported")
    give_way()
    return fields


def _ensemble(trees: Sequence[Fields], num_features: int, objective: str) -> Trees:
    ones_T = np.ones(len(trees), np.int64)
    leaves_T = numbers(trees, "num_leaves", np.int64, ones_T)
    num_cat_T = numbers(trees, "num_cat", np.int64, ones_T)
    _check_each((leaves_T >= 1) & (num_cat_T >= 0), np.arange(len(trees)), "has no leaf")
    splits_T = leaves_T - 1
    feature = numbers(trees, "split_feature", np.int64, splits_T)
    threshold = numbers(trees, "threshold", np.float64, splits_T)
    decision = numbers(trees, "decision_type", np.int64, splits_T)
    sides = [numbers(trees, side, np.int64, splits_T) for side in ("left_child", "right_child")]
    leaf_value = numbers(trees, "leaf_value", np.float64, leaves_T)
    split_gain = numbers(trees, "split_gain", np.float64, splits_T)

    tree_S, tree_V = (np.repeat(np.arange(len(trees)), counts_T) for counts_T in (splits_T, leaves_T))
    _check_each((feature >= 0) & (feature < num_features), tree_S, "splits an unknown feature")
    _check_each((decision >= 0) & (decision >> 2 <= _MISSING_NAN), tree_S, "has an unknown decision type")
    _check_each(np.isfinite(leaf_value), tree_V, "has a leaf without a finite value")
    children, roots = _nodes(np.stack(sides, 1), leaves_T)

    categorical = decision & _CATEGORICAL == _CATEGORICAL
    default_left = decision & _DEFAULT_LEFT == _DEFAULT_LEFT
    missing = decision >> 2
    # Without a notion of missing, NaN is read as zero; a categorical split sends NaN right.
    zero_left = np.where(missing == _MISSING_ZERO, default_left, threshold >= 0.0)
    missing_left = np.where(missing == _MISSING_NAN, default_left, zero_left) & ~categorical
    category_words, bitsets = _category_bitsets(trees, num_cat_T, threshold, categorical, tree_S)
    return Trees(
        objective=objective,
        num_features=num_features,
        roots=frozen(roots.astype(np.int32)),
        feature=frozen(feature.astype(np.int32)),
        threshold=frozen(_rounded_down(threshold)),
        children=frozen(children.astype(np.int32)),
        zero_left=frozen(zero_left),
        missing_left=frozen(missing_left),
        category_words=frozen(category_words.astype(np.int32)),
        bitsets=frozen(bitsets),
        leaf_value=frozen(leaf_value),
        gain=np.asarray(np.bincount(feature, split_gain, num_features), np.float64),
    )


def _check_each(holds: NDArray[np.bool_], trees: NDArray[np.int64], problem: str) -> None:
    """Refuse the text unless all hold, and name the tree of the first that does not."""
    if not holds.all():
        check(False, f"tree {trees[np.argmin(holds)]} {problem}")


def _nodes(
    local_S2: NDArray[np.int64], leaves_T: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return children [S, 2] and roots [T], counted over the ensemble, of children counted within a tree."""
    # Every split but the root, and every leaf, is the child of exactly one split, and a child split comes
    # after its parent (LightGBM numbers splits as it makes them): so the walk ends, and ends in this tree.
    splits_T = leaves_T - 1
    first_split_T, first_leaf_T = np.cumsum(splits_T) - splits_T, np.cumsum(leaves_T) - leaves_T
    tree_S = np.repeat(np.arange(len(leaves_T)), splits_T)
    own_S = np.arange(len(local_S2)) - first_split_T[tree_S]
    later_S2 = (local_S2 > own_S[:, None]) & (local_S2 < splits_T[tree_S, None])
    is_child_S2 = later_S2 | ((local_S2 < 0) & (local_S2 >= -leaves_T[tree_S, None]))
    _check_each(np.asarray(is_child_S2.all(axis=1)), tree_S, "is no tree")
    is_leaf_S2 = local_S2 < 0
    children_S2 = local_S2 + np.where(is_leaf_S2, -first_leaf_T[tree_S, None], first_split_T[tree_S, None])
    # A tree's S leaves and S - 1 splits below the root are as many as its splits have children.
    parents_S = np.bincount(children_S2[~is_leaf_S2], minlength=len(local_S2))
    _check_each(parents_S == (own_S > 0), tree_S, "is no tree")
    roots_T = np.where(splits_T > 0, first_split_T, ~first_leaf_T)
    parents_V = np.bincount(~children_S2[is_leaf_S2], minlength=int(leaves_T.sum()))
    tree_V = np.repeat(np.arange(len(leaves_T)), leaves_T)
    _check_each(parents_V == (splits_T[tree_V] > 0), tree_V, "is no tree")
    return children_S2, roots_T


def _rounded_down(threshold: NDArray[np.float64]) -> NDArray[np.float32]:
    # Values are float32, so comparing with the largest float32 at or below the threshold is exact.
    with np.errstate(over="ignore"):
        nearest = threshold.astype(np.float32)
    return np.where(nearest > threshold, np.nextafter(nearest, np.float32(-np.inf)), nearest)


def _category_bitsets(
    trees: Sequence[Fields],
    num_cat_T: NDArray[np.int64],
    threshold: NDArray[np.float64],
    categorical: NDArray[np.bool_],
    tree_S: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    words = np.zeros((len(threshold), 2), np.int64)
    having_C = np.flatnonzero(num_cat_T)
    with_categories = [trees[tree] for tree in having_C.tolist()]
    num_bounds_C = num_cat_T[having_C] + 1
    bounds = numbers(with_categories, "cat_boundaries", np.int64, num_bounds_C)
    last_C = np.cumsum(num_bounds_C) - 1
    first_C = last_C - num_cat_T[having_C]
    rises = np.diff(bounds, prepend=0) > 0
    rises[first_C] = bounds[first_C] == 0
    check(bool(rises.all()), "cat_boundaries must increase from 0")
    num_words_C = bounds[last_C]
    bitsets = numbers(with_categories, "cat_threshold", np.uint32, num_words_C)

    # A categorical split's threshold is the number of its bitset in the tree.
    index, tree = threshold[categorical], tree_S[categorical]
    has_one = (index >= 0) & (index < num_cat_T[tree]) & (index == np.floor(index))
    _check_each(has_one, tree, "has a categorical split without its categories")
    place = np.searchsorted(having_C, tree)
    bound = first_C[place] + index.astype(np.int64)
    first_word = (np.cumsum(num_words_C) - num_words_C)[place]
    words[categorical] = np.stack([first_word + bounds[bound], first_word + bounds[bound + 1]], 1)
    return words, bitsets
