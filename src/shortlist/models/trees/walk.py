"""Score rows by walking from each tree's root to a leaf: any ensemble, and the reference for `kernel`.

N rows, F features, T trees, S splits, V leaves; a block of rows walks one tree together, so that a tree is
fetched once for the block.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist.compiled import compiled
from shortlist.models.trees.text import Trees

_ROWS_A_BLOCK = 128
ZERO = np.float32(1e-35)
"""LightGBM reads anything this small as zero."""


def raw_scores(trees: Trees, features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the sum of each row's leaves, float64 [N], added in tree order as LightGBM adds them.

    Args:
        trees: the ensemble.
        features: float32 [N, F], contiguous.
    """
    assert features.flags.c_contiguous
    assert features.shape[1] == trees.num_features
    readonly = features.view()
    readonly.setflags(write=False)  # one compiled version, whether the caller's array is writable or not
    scores = np.zeros(len(features), np.float64)
    _add_scores(
        readonly,
        trees.roots,
        trees.feature,
        trees.threshold,
        trees.children,
        trees.zero_left,
        trees.missing_left,
        trees.category_words,
        trees.bitsets,
        trees.leaf_value,
        scores,
    )
    return scores


@compiled
def _goes_left(
    value: np.float32,
    threshold: np.float32,
    zero_left: bool,
    missing_left: bool,
    first_word: int,
    last_word: int,
    bitsets: NDArray[np.uint32],
) -> bool:
    if np.isnan(value):
        return missing_left
    if last_word > first_word:
        # A category is read as LightGBM reads it: truncated towards zero; below zero, or beyond
        # the bitset, it is no category that goes left.
        if value <= -1.0 or value >= 32.0 * (last_word - first_word):
            return False
        category = np.int64(value)
        word = bitsets[first_word + (category >> 5)]
        return bool(word >> np.uint32(category & 31) & np.uint32(1))
    if -ZERO <= value <= ZERO:
        return zero_left
    return bool(value <= threshold)


@compiled
def _add_scores(
    features: NDArray[np.float32],
    roots: NDArray[np.int32],
    feature: NDArray[np.int32],
    threshold: NDArray[np.float32],
    children: NDArray[np.int32],
    zero_left: NDArray[np.bool_],
    missing_left: NDArray[np.bool_],
    category_words: NDArray[np.int32],
    bitsets: NDArray[np.uint32],
    leaf_value: NDArray[np.float64],
    scores: NDArray[np.float64],
) -> None:
    num_rows = features.shape[0]
    for first_row in range(0, num_rows, _ROWS_A_BLOCK):
        last_row = min(first_row + _ROWS_A_BLOCK, num_rows)
        for tree in range(roots.shape[0]):
            for row in range(first_row, last_row):
                node = roots[tree]
                while node >= 0:
                    left = _goes_left(
                        features[row, feature[node]],
                        threshold[node],
                        zero_left[node],
                        missing_left[node],
                        category_words[node, 0],
                        category_words[node, 1],
                        bitsets,
                    )
                    node = children[node, 0 if left else 1]
                scores[row] += leaf_value[~node]
