"""From a pair of ids to a dense slot: an open-addressing hash map whose slots can be freed and reused.

N rows asked, S slots ever handed out, T table cells (a power of two).

    table  int64[T]     0 = empty, else the pair's 31-bit hash above its slot + 1; linear probing
    pairs  int64[S, 2]  the pair of each slot; a free slot holds (-1, next free slot)
    state  int64[4]     live slots, slots ever handed out, first free slot (-1: none), nothing

The hash beside the slot means that a look-up goes to the pairs once, for the answer, and that an absent
pair mostly costs one cache line.
"""

from __future__ import annotations

from copy import copy
from typing import Self

import numpy as np

from shortlist.compiled import compiled
from shortlist.features.kernels.addresses import ArrayTable
from shortlist.features.kernels.arrays import Int64s, as_int64, grown, is_nearly_full
from shortlist.prefetch import prefetch

NUM_LIVE, NUM_SLOTS, FIRST_FREE = 0, 1, 2
BLOCK = 512  # rows: their memory is asked for together
SLOT_BITS = (1 << 32) - 1
MIX_A, MIX_B = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)
MIX_C, HALF, ONE = np.uint64(0x94D049BB133111EB), np.uint64(32), np.uint64(1)


class PairIndex:
    """A map (a, b) -> slot, for crossed keys such as user x topic. Not thread-safe."""

    def __init__(self) -> None:
        self._table = np.zeros(16, dtype=np.int64)
        self._pairs = np.zeros((8, 2), dtype=np.int64)
        self._state = np.array([0, 0, -1, 0], dtype=np.int64)

    def find(self, a: Int64s, b: Int64s) -> Int64s:
        """Return int64[N], each pair's slot; -1 where it has none, or where a or b is negative."""
        slots = np.empty(len(a), dtype=np.int64)
        find_rows(self._table, self._pairs, as_int64(a), as_int64(b), slots)
        return slots

    def insert(self, a: Int64s, b: Int64s) -> Int64s:
        """Return int64[N], each pair's slot, a new one where it had none; -1 where a or b is negative.

        Freed slots are used first, then the next higher number.
        """
        a, b = as_int64(a), as_int64(b)
        slots = np.empty(len(a), dtype=np.int64)
        row = 0
        while True:
            row = insert_rows(self._table, self._pairs, self._state, a, b, slots, row)
            if row == len(slots):
                return slots
            if self._state[FIRST_FREE] < 0 and self.num_slots == len(self._pairs):
                self._pairs = grown(self._pairs, 0)
            if 2 * len(self) >= len(self._table):
                self._table = _doubled(self._table)

    def copy(self) -> Self:
        """Return a map of its own arrays, which no later call of this one changes."""
        other = copy(self)
        other._table, other._pairs, other._state = self._table.copy(), self._pairs.copy(), self._state.copy()
        return other

    def locate(self, table: ArrayTable, place: int) -> None:
        """Put table, pairs and state into a table of arrays, if they were replaced since."""
        if table.arrays[place] is not self._table or table.arrays[place + 1] is not self._pairs:
            table.put(place, self._table, self._pairs, self._state)

    def make_room(self) -> None:
        """Grow before `insert` must, if little is left; arrays are replaced, so a reader's stay whole."""
        if is_nearly_full(self.num_slots, len(self._pairs)):
            self._pairs = grown(self._pairs, 0)
        if is_nearly_full(2 * len(self), len(self._table)):
            self._table = _doubled(self._table)

    def remove(self, slots: Int64s) -> None:
        """Free the slots for reuse. Whatever is kept by slot must be empty there first."""
        _remove(self._table, self._pairs, self._state, as_int64(slots))

    def __len__(self) -> int:
        return int(self._state[NUM_LIVE])

    @property
    def num_slots(self) -> int:
        """One more than the highest slot ever handed out."""
        return int(self._state[NUM_SLOTS])

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays that hold the map."""
        return self._table.nbytes + self._pairs.nbytes

    def live(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Return bool[num_slots]: which slots hold a pair."""
        return np.asarray(self._pairs[: self.num_slots, 0] >= 0)

    def snapshot(self) -> dict[str, Int64s]:
        """Return the map as plain contiguous arrays."""
        return {"pairs": self._pairs[: self.num_slots].copy(), "state": self._state.copy()}

    @classmethod
    def restore(cls, arrays: dict[str, Int64s]) -> Self:
        """Return a map that finds, and will hand out, the same slots as the one that made the snapshot."""
        index = cls()
        index._state = arrays["state"].astype(np.int64)
        index._pairs = grown(as_int64(arrays["pairs"]), 8)
        index._table = np.zeros(max(16, 1 << (2 * len(index)).bit_length()), dtype=np.int64)
        _fill(index._table, index._pairs, index._state)
        return index


def _doubled(table: Int64s) -> Int64s:
    larger = np.zeros(2 * len(table), dtype=np.int64)
    _move(table, larger)
    return larger


@compiled
def hash_of(a: int, b: int) -> int:
    """A 31-bit hash of a pair: with a slot beside it, it still leaves int64 its sign.

    In uint64, as compiled code may assume that a signed product never overflows.
    """
    mixed = np.uint64(a) * MIX_A + np.uint64(b) * MIX_B
    mixed ^= mixed >> HALF
    return int((mixed * MIX_C) >> (HALF + ONE))


@compiled
def _cell_of(table: Int64s, pairs: Int64s, a: int, b: int, hashed: int) -> int:
    """The cell that holds the pair, or the empty one where it would go."""
    cell: int = (hashed * table.shape[0]) >> 31
    while table[cell] != 0:
        if table[cell] >> 32 == hashed:
            slot = (table[cell] & SLOT_BITS) - 1
            if pairs[slot, 0] == a and pairs[slot, 1] == b:
                break
        cell = (cell + 1) & (table.shape[0] - 1)
    return cell


@compiled
def _look_ahead(table: Int64s, pairs: Int64s, a: Int64s, b: Int64s, first_row: int, hashes: Int64s) -> None:
    """Fill hashes int64[BLOCK] of the rows from `first_row` on; ask memory for what their look-ups need."""
    num_rows = min(BLOCK, len(a) - first_row)
    for row in range(num_rows):
        hashes[row] = hash_of(a[first_row + row], b[first_row + row])
        prefetch(table, (hashes[row] * table.shape[0]) >> 31)
    for row in range(num_rows):
        held = table[(hashes[row] * table.shape[0]) >> 31]
        if held >> 32 == hashes[row]:
            prefetch(pairs, 2 * (held & SLOT_BITS) - 2)


@compiled
def find_rows(table: Int64s, pairs: Int64s, a: Int64s, b: Int64s, slots: Int64s) -> None:
    """Fill slots int64[N]; -1 where a or b is negative, or the pair has none."""
    hashes = np.empty(BLOCK, dtype=np.int64)
    for row in range(a.shape[0]):
        if row % BLOCK == 0:
            _look_ahead(table, pairs, a, b, row, hashes)
        slots[row] = -1
        if a[row] >= 0 and b[row] >= 0:
            cell = _cell_of(table, pairs, a[row], b[row], hashes[row % BLOCK])
            slots[row] = (table[cell] & SLOT_BITS) - 1


@compiled
def insert_rows(
    table: Int64s, pairs: Int64s, state: Int64s, a: Int64s, b: Int64s, slots: Int64s, first_row: int
) -> int:
    """Fill slots from `first_row`; return the row that found no room in table or pairs, or N when done."""
    hashes = np.empty(BLOCK, dtype=np.int64)
    for row in range(first_row, a.shape[0]):
        place = (row - first_row) % BLOCK
        if place == 0:
            _look_ahead(table, pairs, a, b, row, hashes)
        slots[row] = -1
        if a[row] < 0 or b[row] < 0:
            continue
        hashed = hashes[place]
        cell = _cell_of(table, pairs, a[row], b[row], hashed)
        if table[cell] == 0:
            slot = state[FIRST_FREE]
            if 2 * state[NUM_LIVE] >= table.shape[0] or (slot < 0 and state[NUM_SLOTS] == pairs.shape[0]):
                return row
            if slot >= 0:
                state[FIRST_FREE] = pairs[slot, 1]
            else:
                slot = state[NUM_SLOTS]
                state[NUM_SLOTS] += 1
            state[NUM_LIVE] += 1
            pairs[slot, 0] = a[row]
            pairs[slot, 1] = b[row]
            table[cell] = (hashed << 32) | (slot + 1)
        slots[row] = (table[cell] & SLOT_BITS) - 1
    return len(a)


@compiled
def _remove(table: Int64s, pairs: Int64s, state: Int64s, slots: Int64s) -> None:
    last_cell = table.shape[0] - 1
    for row in range(slots.shape[0]):
        slot = slots[row]
        a, b = pairs[slot, 0], pairs[slot, 1]
        if a < 0:
            continue
        hole = _cell_of(table, pairs, a, b, hash_of(a, b))
        # Pull back every later pair of the run that may live in the hole, so that no probe ends early.
        cell = (hole + 1) & last_cell
        while table[cell] != 0:
            home = ((table[cell] >> 32) * table.shape[0]) >> 31
            if (cell - home) & last_cell >= (cell - hole) & last_cell:
                table[hole] = table[cell]
                hole = cell
            cell = (cell + 1) & last_cell
        table[hole] = 0
        pairs[slot, 0] = -1
        pairs[slot, 1] = state[FIRST_FREE]
        state[FIRST_FREE] = slot
        state[NUM_LIVE] -= 1


@compiled
def _fill(table: Int64s, pairs: Int64s, state: Int64s) -> None:
    """Enter every live pair into an empty table."""
    for slot in range(state[NUM_SLOTS]):
        a, b = pairs[slot, 0], pairs[slot, 1]
        if a >= 0:
            hashed = hash_of(a, b)
            table[_cell_of(table, pairs, a, b, hashed)] = (hashed << 32) | (slot + 1)


@compiled
def _move(smaller: Int64s, table: Int64s) -> None:
    """Enter every cell into a larger, empty table. A home is a hash's top bits, so this writes in order."""
    for old in range(smaller.shape[0]):
        if smaller[old] != 0:
            cell = ((smaller[old] >> 32) * table.shape[0]) >> 31
            while table[cell] != 0:
                cell = (cell + 1) & (table.shape[0] - 1)
            table[cell] = smaller[old]
