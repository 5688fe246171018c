"""Work out a tree for a block of rows: which leaf every row falls into.

A block is 512 rows, or fewer; C columns of their bytes lie one after another, as do the slots of a tree's
splits (`schedule`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist.compiled import compiled
from shortlist.models.trees.lanes import LANES, WORDS, choose_leaves, put_leaf, put_row
from shortlist.models.trees.schedule import Schedule

ROWS_A_BLOCK = WORDS * LANES


@compiled
def find_leaves(
    schedule: Schedule,
    tree: int,
    split: int,
    num_steps: int,
    columns: NDArray[np.uint8],
    slots: NDArray[np.uint8],
) -> int:
    """Write the leaf of each row into the tree's root slot.

    Args:
        schedule: the model's.
        tree: which one; it has a split at least.
        split: its first in the schedule.
        num_steps: steps of 64 rows.
        columns: [C * 512], the bytes.
        slots: to write to.

    Returns:
        The first split of the next tree.
    """
    first_run, end_run = schedule.first_run[tree], schedule.first_run[tree + 1]
    # Each loop over rows stands twice: with a known number of steps there is no loop, which saves a twelfth.
    is_full = num_steps == WORDS
    num_rows = num_steps * LANES
    for _ in range(schedule.run[first_run]):
        at, out = schedule.column[split] * ROWS_A_BLOCK, schedule.slot[split] * ROWS_A_BLOCK
        low, span = schedule.low[split], schedule.span[split]
        first, second = schedule.first[split], schedule.second[split]
        if is_full:
            for row in range(0, ROWS_A_BLOCK, LANES):
                choose_leaves(slots, out + row, columns, at + row, low, span, first, second)
        else:
            for row in range(0, num_rows, LANES):
                choose_leaves(slots, out + row, columns, at + row, low, span, first, second)
        split += 1
    for turn in range(first_run + 1, end_run, 2):
        for _ in range(schedule.run[turn]):
            at, out = schedule.column[split] * ROWS_A_BLOCK, schedule.slot[split] * ROWS_A_BLOCK
            low, span, leaf = schedule.low[split], schedule.span[split], schedule.first[split]
            if is_full:
                for row in range(0, ROWS_A_BLOCK, LANES):
                    put_leaf(slots, out + row, columns, at + row, low, span, leaf)
            else:
                for row in range(0, num_rows, LANES):
                    put_leaf(slots, out + row, columns, at + row, low, span, leaf)
            split += 1
        for _ in range(schedule.run[turn + 1]):
            at, out = schedule.column[split] * ROWS_A_BLOCK, schedule.slot[split] * ROWS_A_BLOCK
            low, span, taken = schedule.low[split], schedule.span[split], schedule.first[split] * ROWS_A_BLOCK
            if is_full:
                for row in range(0, ROWS_A_BLOCK, LANES):
                    put_row(slots, out + row, columns, at + row, low, span, taken + row)
            else:
                for row in range(0, num_rows, LANES):
                    put_row(slots, out + row, columns, at + row, low, span, taken + row)
            split += 1
    return split
