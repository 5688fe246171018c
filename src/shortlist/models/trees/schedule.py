"""The order in which a tree's splits are worked out, bottom up, a block of rows at a time.

Each split writes into a row of bytes (a slot) the leaf that its subtree gives each row of the block. A split
of two leaves opens a slot; one of a leaf and a subtree writes the leaf into the subtree's slot; one of two
subtrees copies from the one slot into the other. What is alike is done in one run, so that the processor
foresees the branches: first all openings, then, level by level, the leaves that can be put, then the slots
that can be merged.

T trees, S splits, U runs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shortlist.arrays import frozen
from shortlist.compiled import compiled
from shortlist.models.trees.text import Trees

MOST_LEAVES = 256
"""Leaves of a tree; a leaf's number is a byte."""

_OPENING, _LEAF, _MERGE = 0, 1, 2


class Schedule(NamedTuple):
    """Splits [S] in the order of their execution, tree by tree, and the runs of each tree."""

    column: NDArray[np.uint16]  # [S] of bytes
    low: NDArray[np.uint8]  # [S] the first of a split's two children is chosen
    span: NDArray[np.uint8]  # [S] where low <= byte <= low + span
    slot: NDArray[np.uint8]  # [S] where it writes
    first: NDArray[np.uint8]  # [S] a leaf, or of a merge the slot to copy from
    second: NDArray[np.uint8]  # [S] the other leaf of an opening
    run: NDArray[np.uint8]  # [U] splits of a run: openings, then leaves and merges by turns
    first_run: NDArray[np.int64]  # [T + 1]
    first_leaf: NDArray[np.int64]  # [T + 1]
    root_slot: NDArray[np.uint8]  # [T]
    num_slots: int


def schedule_of(trees: Trees, column_S: NDArray[np.int64], greatest_S: NDArray[np.int64]) -> Schedule:
    """Return the order of execution; each tree has `MOST_LEAVES` at most.

    Args:
        trees: the ensemble.
        column_S: int64 [S], the column of bytes that each of its splits compares.
        greatest_S: int64 [S], the greatest byte that goes left.
    """
    total = len(trees.feature)
    first_leaf = np.append(0, np.cumsum(num_splits(trees) + 1))
    split, left_first = np.empty(total, np.int64), np.empty(total, np.bool_)
    slot, first, second = (np.zeros(total, np.uint8) for _ in range(3))
    run, first_run = np.empty(3 * total, np.uint8), np.zeros(len(trees.roots) + 1, np.int64)
    root_slot = np.zeros(len(trees.roots), np.uint8)
    num_slots = _order(
        trees.children, first_leaf, split, slot, first, second, left_first, run, first_run, root_slot
    )
    greatest = greatest_S[split]  # left is 0..greatest, right is greatest + 1..255
    return Schedule(
        column=frozen(column_S[split].astype(np.uint16)),
        low=frozen(np.where(left_first, 0, greatest + 1).astype(np.uint8)),
        span=frozen(np.where(left_first, greatest, 254 - greatest).astype(np.uint8)),
        slot=frozen(slot),
        first=frozen(first),
        second=frozen(second),
        run=frozen(run[: first_run[-1]].copy()),
        first_run=frozen(first_run),
        first_leaf=frozen(first_leaf),
        root_slot=frozen(root_slot),
        num_slots=num_slots,
    )


def num_splits(trees: Trees) -> NDArray[np.int64]:
    """Return the splits of each tree, int64 [T]; a tree has one leaf more."""
    is_split = trees.roots >= 0
    counts = np.zeros(len(trees.roots), np.int64)
    counts[is_split] = np.diff(np.append(trees.roots[is_split], len(trees.feature)))
    return counts


@compiled
def _order(
    children: NDArray[np.int32],
    first_leaf: NDArray[np.int64],
    split: NDArray[np.int64],
    slot: NDArray[np.uint8],
    first: NDArray[np.uint8],
    second: NDArray[np.uint8],
    left_first: NDArray[np.bool_],
    run: NDArray[np.uint8],
    first_run: NDArray[np.int64],
    root_slot: NDArray[np.uint8],
) -> int:
    """Write the schedule's arrays; return the number of slots of the tree that needs most."""
    most_slots, done, num_runs = 1, 0, 0
    kind = np.empty(MOST_LEAVES, np.uint8)
    level = np.empty(MOST_LEAVES, np.int64)  # of its leaves or its merge
    ready = np.empty(MOST_LEAVES, np.int64)  # the level that may use its slot
    place = np.empty(MOST_LEAVES, np.int64)
    for tree in range(len(first_leaf) - 1):
        start, size = first_leaf[tree] - tree, first_leaf[tree + 1] - first_leaf[tree] - 1
        num_slots, num_levels = 0, 0
        for node in range(size - 1, -1, -1):  # children have greater numbers than their parents
            left, right = children[start + node, 0], children[start + node, 1]
            num_leaves = int(left < 0) + int(right < 0)
            kind[node] = _OPENING if num_leaves == 2 else (_LEAF if num_leaves == 1 else _MERGE)
            if kind[node] == _OPENING:
                place[node], level[node], ready[node] = num_slots, 0, 0
                num_slots += 1
            elif kind[node] == _LEAF:
                child = max(left, right) - start
                place[node], level[node], ready[node] = place[child], ready[child], ready[child]
            else:
                at_least = max(ready[left - start], ready[right - start])
                place[node], level[node], ready[node] = place[left - start], at_least, at_least + 1
            num_levels = max(num_levels, level[node] + 1)
        most_slots = max(most_slots, num_slots)
        if size > 0:
            root_slot[tree] = place[0]
        for turn in range(1 + 2 * num_levels if size > 0 else 0):
            before = done
            wanted = _OPENING if turn == 0 else (_LEAF if turn % 2 == 1 else _MERGE)
            for node in range(size - 1, -1, -1):
                if kind[node] != wanted or (turn > 0 and level[node] != (turn - 1) // 2):
                    continue
                left, right = children[start + node, 0], children[start + node, 1]
                split[done], slot[done] = start + node, place[node]
                left_first[done] = left < 0  # the leaf is put; of two leaves the left one is the first
                if wanted == _MERGE:
                    first[done] = place[right - start]
                else:
                    first[done] = ~(left if left < 0 else right) - first_leaf[tree]
                if wanted == _OPENING:
                    second[done] = ~right - first_leaf[tree]
                done += 1
            run[num_runs] = done - before
            num_runs += 1
        first_run[tree + 1] = num_runs
    return most_slots
