"""Score rows with an ensemble of trees: all rows of a block take all splits of a tree, without a branch.

N rows, F features, T trees, S splits, C columns of bytes. A block is 512 rows. Their features become bytes
(`bins`), each split a comparison of 64 bytes a step that chooses between the leaves of its two subtrees
(`schedule`); then every row adds its leaf. QuickScorer (Lucchese et al., SIGIR 2015) and RapidScorer (Ye et
al., KDD 2018) evaluate all splits likewise, but keep a bit for each leaf, where this keeps the leaf's number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.arrays import frozen
from shortlist.compiled import compiled
from shortlist.models.trees.bins import Bins, bins_of, fill_bins
from shortlist.models.trees.blocks import ROWS_A_BLOCK, find_leaves
from shortlist.models.trees.categories import Categories, categories_of, mark_rows
from shortlist.models.trees.lanes import LANES, WORDS, mark_members
from shortlist.models.trees.schedule import MOST_LEAVES, Schedule, num_splits, schedule_of
from shortlist.models.trees.text import Trees

_MOST_COLUMNS = 2**16


@dataclass(frozen=True)
class PackedTrees:
    """An ensemble as the kernel reads it.

    Splits compare columns of bytes: first C that all trees share, then one for each of the tree's own
    categorical splits.
    """

    bins: Bins
    categories: Categories
    schedule: Schedule
    first_set: NDArray[np.int64]  # [T + 1] where each tree's categorical splits begin
    leaf_value: NDArray[np.float64]

    def raw_scores(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the sum of each row's leaves, float64 [N], added in tree order as LightGBM adds them.

        Args:
            features: float32 [N, F], row after row or column after column.
        """
        by_row = features.flags.c_contiguous
        assert by_row or features.flags.f_contiguous
        flat = features.ravel("K").view()  # of the same memory
        flat.flags.writeable = False  # one compiled version, whether the caller's array is writable or not
        row_step, feature_step = (features.shape[1], 1) if by_row else (1, len(features))
        scores = np.zeros(len(features), np.float64)
        _add_scores(
            flat, row_step, feature_step, self.bins, self.categories, self.schedule, self.first_set,
            self.leaf_value, scores,
        )  # fmt: skip
        return scores


def packed(trees: Trees) -> PackedTrees | None:
    """Return an ensemble as the kernel reads it.

    None when it cannot be: a tree has more than 256 leaves, a threshold is NaN, or the splits need more than
    65,536 columns of bytes.
    """
    is_categorical = trees.category_words[:, 1] > trees.category_words[:, 0]
    if num_splits(trees).max() >= MOST_LEAVES or np.isnan(trees.threshold[~is_categorical]).any():
        return None
    bins, column_S, greatest_S = bins_of(trees)
    splits_Q = np.flatnonzero(is_categorical)
    tree_Q = np.repeat(np.arange(len(trees.roots)), num_splits(trees))[splits_Q]
    first_set = np.append(0, np.cumsum(np.bincount(tree_Q, minlength=len(trees.roots))))
    column_S[splits_Q] = len(bins.zero_side) + np.arange(len(splits_Q)) - first_set[tree_Q]
    if column_S.max(initial=0) >= _MOST_COLUMNS:
        return None
    schedule = schedule_of(trees, column_S, greatest_S)
    return PackedTrees(bins, categories_of(trees, splits_Q), schedule, frozen(first_set), trees.leaf_value)


@compiled
def _add_scores(
    features: NDArray[np.float32],
    row_step: int,
    feature_step: int,
    bins: Bins,
    categories: Categories,
    schedule: Schedule,
    first_set: NDArray[np.int64],
    leaf_value: NDArray[np.float64],
    scores: NDArray[np.float64],
) -> None:
    num_trees, num_shared = len(schedule.root_slot), len(bins.zero_side)
    most_sets = 0
    for tree in range(num_trees):
        most_sets = max(most_sets, first_set[tree + 1] - first_set[tree])
    columns = _aligned((num_shared + most_sets) * ROWS_A_BLOCK)
    slots = _aligned(schedule.num_slots * ROWS_A_BLOCK)
    rows_of = np.zeros(categories.num_categories * WORDS, np.uint64)
    for first_row in range(0, len(scores), ROWS_A_BLOCK):
        num_rows = min(ROWS_A_BLOCK, len(scores) - first_row)
        num_steps = (num_rows + LANES - 1) // LANES
        of_rows = scores[first_row : first_row + num_rows]
        fill_bins(features, row_step, feature_step, first_row, num_rows, bins, columns, ROWS_A_BLOCK)
        mark_rows(features, row_step, feature_step, first_row, num_rows, categories, rows_of, False)
        split = 0
        for tree in range(num_trees):
            leaves = leaf_value[schedule.first_leaf[tree] : schedule.first_leaf[tree + 1]]
            if len(leaves) == 1:
                of_rows += leaves[0]
                continue
            for place in range(first_set[tree], first_set[tree + 1]):
                first, last = categories.first_member[place], categories.first_member[place + 1]
                column = num_shared + place - first_set[tree]
                mark_members(columns, column * ROWS_A_BLOCK, rows_of, categories.member[first:last])
            split = find_leaves(schedule, tree, split, num_steps, columns, slots)
            chosen = slots[schedule.root_slot[tree] * ROWS_A_BLOCK :]
            for row in range(num_rows):
                of_rows[row] += leaves[chosen[row]]
        mark_rows(features, row_step, feature_step, first_row, num_rows, categories, rows_of, True)


@compiled
def _aligned(num_bytes: int) -> NDArray[np.uint8]:
    """Return so many bytes that begin at a multiple of 64: a step that straddles cache lines costs two."""
    room = np.empty(num_bytes + LANES, np.uint8)
    ahead = -room.ctypes.data % LANES
    return room[ahead : ahead + num_bytes]
