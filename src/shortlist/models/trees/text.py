"""Read LightGBM's text format into flat arrays, checked, so that scoring needs no LightGBM.

The meaning of each field follows LightGBM's `tree.h` (version v4 of the format): bit 0 of a decision type
marks a categorical split, bit 1 the side of missing values, bits 2-3 what counts as missing.

T trees, S splits of all trees, V leaves of all trees, W words of category bitsets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.models.errors import ModelFileError
from shortlist.models.files import frozen

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
    fields = _fields(header)
    for key, wanted in _HEADER.items():
        _check(fields.get(key) == wanted, f"{key} must be {wanted!r}, found {fields.get(key)!r}")
    objective = fields.get("objective", "")
    known = objective == LOG_ODDS or objective in ORDERS
    _check(known, f"objective must be {LOG_ODDS!r} or one of {', '.join(ORDERS)}, found {objective!r}")
    _check("average_output" not in header.split("\n"), "averaged forests are not supported")
    _check("\nend of trees" in text, "the text ends before its last tree")
    num_trees = len(fields.get("tree_sizes", "").split())
    _check(len(blocks) == num_trees > 0, f"expected {num_trees} trees, found {len(blocks)}")
    num_features = int(_numbers(fields, "max_feature_idx", np.int64, 1)[0]) + 1
    _check(0 < num_features <= 1_000_000, f"impossible number of features {num_features}")
    trees = [_tree(number, block, num_features) for number, block in enumerate(blocks)]
    return _joined(trees, num_features, objective)


def _check(holds: bool, problem: str) -> None:
    if not holds:
        raise ModelFileError(f"LightGBM model text: {problem}. Save the model again.")


def _fields(block: str) -> dict[str, str]:
    return {key: value for key, _, value in (line.partition("=") for line in block.split("\n"))}


def _numbers(fields: dict[str, str], key: str, dtype: type[np.generic], count: int) -> NDArray[Any]:
    try:
        numbers = np.array([float(word) for word in fields[key].split()], dtype=np.float64)
    except (KeyError, ValueError) as error:
        raise ModelFileError(f"LightGBM model text: {key} is missing or no list of numbers.") from error
    _check(len(numbers) == count, f"{key} must hold {count} numbers, found {len(numbers)}")
    if np.issubdtype(dtype, np.integer):
        whole = (np.abs(numbers) < 2.0**32) & (numbers == np.floor(numbers))
        _check(bool(whole.all()), f"{key} must hold whole numbers")
    return numbers.astype(dtype)


@dataclass(frozen=True)
class _Tree:
    feature: NDArray[np.int64]
    threshold: NDArray[np.float32]
    children: NDArray[np.int64]
    zero_left: NDArray[np.bool_]
    missing_left: NDArray[np.bool_]
    category_words: NDArray[np.int64]
    bitsets: NDArray[np.uint32]
    leaf_value: NDArray[np.float64]
    gain: NDArray[np.float64]


def _tree(number: int, block: str, num_features: int) -> _Tree:
    head, _, body = block.partition("\n")
    _check(head == str(number), f"expected tree {number}, found {head!r}")
    fields = _fields(body)
    _check(fields.get("is_linear", "0") == "0", "linear leaves are not supported")
    num_leaves = int(_numbers(fields, "num_leaves", np.int64, 1)[0])
    num_cat = int(_numbers(fields, "num_cat", np.int64, 1)[0])
    _check(num_leaves >= 1 and num_cat >= 0, f"tree {number} has no leaf")
    splits = num_leaves - 1

    feature = _numbers(fields, "split_feature", np.int64, splits)
    threshold = _numbers(fields, "threshold", np.float64, splits)
    decision = _numbers(fields, "decision_type", np.int64, splits)
    children = np.stack(
        [_numbers(fields, side, np.int64, splits) for side in ("left_child", "right_child")], 1
    )
    _check(
        bool(((feature >= 0) & (feature < num_features)).all()), f"tree {number} splits an unknown feature"
    )
    _check(bool(((decision >= 0) & (decision >> 2 <= _MISSING_NAN)).all()), "unknown decision type")
    _check_shape(number, children, num_leaves)

    categorical = decision & _CATEGORICAL == _CATEGORICAL
    default_left = decision & _DEFAULT_LEFT == _DEFAULT_LEFT
    missing = decision >> 2
    # Without a notion of missing, NaN is read as zero; a categorical split sends NaN right.
    zero_left = np.where(missing == _MISSING_ZERO, default_left, threshold >= 0.0)
    missing_left = np.where(missing == _MISSING_NAN, default_left, zero_left) & ~categorical
    leaf_value = _numbers(fields, "leaf_value", np.float64, num_leaves)
    _check(bool(np.isfinite(leaf_value).all()), f"tree {number} has a leaf without a finite value")
    split_gain = _numbers(fields, "split_gain", np.float64, splits)
    gain = np.bincount(feature, weights=split_gain, minlength=num_features).astype(np.float64)
    words, bitsets = _category_bitsets(fields, num_cat, threshold, categorical)
    return _Tree(
        feature=feature,
        threshold=_rounded_down(threshold),
        children=children,
        zero_left=zero_left,
        missing_left=missing_left,
        category_words=words,
        bitsets=bitsets,
        leaf_value=leaf_value,
        gain=gain,
    )


def _check_shape(number: int, children: NDArray[np.int64], num_leaves: int) -> None:
    # Every split but the root, and every leaf, is the child of exactly one split, and a child split comes
    # after its parent (LightGBM numbers splits as it makes them): so the walk ends, and ends in this tree.
    expected = np.arange(-num_leaves, num_leaves - 1)
    found = np.sort(np.append(children.ravel(), 0)) if len(children) else np.array([-1])
    later = children > np.arange(len(children))[:, None]
    _check(
        np.array_equal(found, expected) and bool((later | (children < 0)).all()), f"tree {number} is no tree"
    )


def _rounded_down(threshold: NDArray[np.float64]) -> NDArray[np.float32]:
    # Values are float32, so comparing with the largest float32 at or below the threshold is exact.
    with np.errstate(over="ignore"):
        nearest = threshold.astype(np.float32)
    return np.where(nearest > threshold, np.nextafter(nearest, np.float32(-np.inf)), nearest)


def _category_bitsets(
    fields: dict[str, str], num_cat: int, threshold: NDArray[np.float64], categorical: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    words = np.zeros((len(threshold), 2), np.int64)
    if num_cat == 0:
        _check(not categorical.any(), "a categorical split without its categories")
        return words, np.zeros(0, np.uint32)
    bounds = _numbers(fields, "cat_boundaries", np.int64, num_cat + 1)
    _check(bounds[0] == 0 and bool((np.diff(bounds) > 0).all()), "cat_boundaries must increase from 0")
    index = threshold[categorical]  # a categorical split's threshold is the number of its bitset
    _check(bool(np.isin(index, np.arange(num_cat)).all()), "a categorical split without its categories")
    index = index.astype(np.int64)
    words[categorical] = np.stack([bounds[index], bounds[index + 1]], 1)
    return words, _numbers(fields, "cat_threshold", np.uint32, int(bounds[-1]))


def _joined(trees: list[_Tree], num_features: int, objective: str) -> Trees:
    first_split = np.cumsum([0, *(len(tree.feature) for tree in trees)])
    first_leaf = np.cumsum([0, *(len(tree.leaf_value) for tree in trees)])
    first_word = np.cumsum([0, *(len(tree.bitsets) for tree in trees)])
    moved = [
        np.where(tree.children >= 0, tree.children + split, tree.children - leaf)
        for tree, split, leaf in zip(trees, first_split, first_leaf, strict=False)
    ]
    roots = [
        split if len(tree.feature) else ~leaf
        for tree, split, leaf in zip(trees, first_split, first_leaf, strict=False)
    ]
    words = [tree.category_words + word for tree, word in zip(trees, first_word, strict=False)]
    return Trees(
        objective=objective,
        num_features=num_features,
        roots=frozen(np.array(roots, np.int32)),
        feature=_concatenated([tree.feature for tree in trees], np.int32),
        threshold=_concatenated([tree.threshold for tree in trees], np.float32),
        children=_concatenated(moved, np.int32),
        zero_left=_concatenated([tree.zero_left for tree in trees], np.bool_),
        missing_left=_concatenated([tree.missing_left for tree in trees], np.bool_),
        category_words=_concatenated(words, np.int32),
        bitsets=_concatenated([tree.bitsets for tree in trees], np.uint32),
        leaf_value=_concatenated([tree.leaf_value for tree in trees], np.float64),
        gain=np.sum([tree.gain for tree in trees], axis=0),
    )


def _concatenated(parts: list[NDArray[Any]], dtype: type[np.generic]) -> NDArray[Any]:
    return frozen(np.concatenate(parts).astype(dtype))
