"""One pool of rows, cut into segments of doubling size, with a free list per size.

Every key of a structure owns one segment. A key seen twice pays for two rows, a hot key for as many
as it needs, and a segment that is given back is used again by the next key of that size.

    pool       int64[R, C]   the rows; column 0 of a free segment holds the link to the next free one
    directory  int64[K, D]   one row a key: START, COUNT, SIZE_CLASS, then the structure's own columns
    state      int64[...]    USED, LARGEST, NEEDED, then one free-list head a size class (row + 1, 0 = none)

Size class 0 means "no segment"; class c has min(2 ** c, LARGEST) rows. Kernels cannot replace an array of
their caller: when the pool has no room they stop at the row they are at, Python grows the pool, and the
kernel goes on from there.
"""

from __future__ import annotations

import numpy as np

from shortlist.compiled import compiled
from shortlist.features.kernels.arrays import Int64s, grown

START, COUNT, SIZE_CLASS, NUM_SEGMENT_COLUMNS = 0, 1, 2, 3
USED, LARGEST, NEEDED, FREE = 0, 1, 2, 3
NUM_CLASSES = 48
UNBOUNDED = 1 << 47


def new_state(largest: int) -> Int64s:
    """Return the state of an empty pool whose segments have at most `largest` rows."""
    state = np.zeros(FREE + NUM_CLASSES, dtype=np.int64)
    state[LARGEST] = largest
    return state


def with_room(pool: Int64s, state: Int64s) -> Int64s:
    """Return a larger pool in which the allocation that just failed succeeds."""
    return grown(pool, int(state[USED] + state[NEEDED]))


@compiled
def capacity_of(state: Int64s, size_class: int) -> int:
    """Rows in a segment of this class."""
    if size_class == 0:
        return 0
    largest: int = state[LARGEST]
    return min(1 << size_class, largest)


@compiled
def enlarge(pool: Int64s, directory: Int64s, state: Int64s, key: int) -> bool:
    """Move a key's rows to a segment of the next class; False, with nothing changed, if there is no room."""
    start, count, old_class = directory[key, START], directory[key, COUNT], directory[key, SIZE_CLASS]
    new_class = old_class + 1
    link = state[FREE + new_class]
    if link > 0:
        target = link - 1
        state[FREE + new_class] = pool[target, 0]
    else:
        target = state[USED]
        capacity = capacity_of(state, new_class)
        if target + capacity > pool.shape[0]:
            state[NEEDED] = capacity
            return False
        state[USED] = target + capacity
    for i in range(count):
        for column in range(pool.shape[1]):
            pool[target + i, column] = pool[start + i, column]
    if old_class > 0:
        pool[start, 0] = state[FREE + old_class]
        state[FREE + old_class] = start + 1
    directory[key, START] = target
    directory[key, SIZE_CLASS] = new_class
    return True


@compiled
def repacked(pool: Int64s, directory: Int64s, state: Int64s) -> Int64s:
    """Return a new pool with every key's rows in the smallest fitting segment, in key order, without gaps.

    The directory is pointed at the new pool and the free lists are emptied.
    """
    used = 0
    for key in range(directory.shape[0]):
        size_class = 0
        while capacity_of(state, size_class) < directory[key, COUNT]:
            size_class += 1
        directory[key, SIZE_CLASS] = size_class
        used += capacity_of(state, size_class)
    target = np.empty((used, int(pool.shape[1])), dtype=np.int64)
    used = 0
    for key in range(directory.shape[0]):
        start = directory[key, START]
        for i in range(directory[key, COUNT]):
            for column in range(pool.shape[1]):
                target[used + i, column] = pool[start + i, column]
        directory[key, START] = used
        used += capacity_of(state, directory[key, SIZE_CLASS])
    for size_class in range(NUM_CLASSES):
        state[FREE + size_class] = 0
    state[USED] = used
    return target


@compiled
def packed_rows(pool: Int64s, directory: Int64s) -> Int64s:
    """Return the rows of all keys, key after key, without the unused ends of their segments."""
    rows = np.empty((directory[:, COUNT].sum(), int(pool.shape[1])), dtype=np.int64)
    row = 0
    for key in range(directory.shape[0]):
        start = directory[key, START]
        for i in range(directory[key, COUNT]):
            for column in range(pool.shape[1]):
                rows[row, column] = pool[start + i, column]
            row += 1
    return rows
