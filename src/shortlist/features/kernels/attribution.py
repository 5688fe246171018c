"""Labels: which later event turned which impression into a success.

N rows in log order, T table cells (a power of two), J labels.

The last impression of each (user, item) waits in one open-addressing table. An event that satisfies label j
converts the waiting impression if it comes within that label's time and the impression has not converted
to j before. The same fold runs online row by row and offline over the whole history.

    table  int64[T, 5]  USER (-1 = empty), ITEM, TIME, SEQ and BITS: the labels converted so far
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
import numpy.typing as npt

from shortlist.compiled import compiled
from shortlist.declare.labels import MAX_LABELS
from shortlist.features.kernels.arrays import Int64s, as_int64
from shortlist.features.kernels.key_index import hash_of

USER, ITEM, TIME, SEQ, BITS, NUM_COLUMNS = 0, 1, 2, 3, 4, 5
SMALLEST_TABLE = 16


class Attribution:
    """Impressions waiting for their conversions. Not thread-safe."""

    def __init__(self, within_us: Sequence[int]) -> None:
        """Make an empty table.

        Args:
            within_us: J at most 62, how long after its impression an event may still count for each label.
        """
        assert 0 < len(within_us) <= MAX_LABELS
        self._within_us = np.array(within_us, dtype=np.int64)
        self._table = _empty_table(SMALLEST_TABLE)
        self._num_pending = np.zeros(1, dtype=np.int64)

    def apply(
        self,
        is_impression: npt.NDArray[np.bool_],
        label_bits: Int64s,
        users: Int64s,
        items: Int64s,
        times_us: Int64s,
        seqs: Int64s,
    ) -> tuple[Int64s, Int64s]:
        """Fold rows in log order.

        Args:
            is_impression: bool[N]; such a row replaces the waiting impression of its (user, item).
            label_bits: int64[N], bit j set where a row that is no impression satisfies label j's event.
            users: int64[N]; a row whose user or item is negative is skipped.
            items: int64[N].
            times_us: int64[N], log times, non-decreasing over the structure's life.
            seqs: int64[N].

        Returns:
            converted int64[N], bit j set where the row converted an impression to label j, and
            impression_seq int64[N], that impression's seq (0 where nothing was converted).
        """
        times_us = as_int64(times_us)
        columns = (as_int64(label_bits), as_int64(users), as_int64(items), times_us, as_int64(seqs))
        shown = np.array(is_impression, dtype=np.bool_)
        assert {len(column) for column in columns} == {len(shown)}
        converted, impression_seq = np.zeros(len(shown), np.int64), np.zeros(len(shown), np.int64)
        row = 0
        while True:
            state = (self._table, self._num_pending, self._within_us)
            row = _apply(*state, shown, *columns, converted, impression_seq, row)
            if row == len(shown):
                return converted, impression_seq
            self.release(int(times_us[row]))

    def release(self, now_us: int) -> int:
        """Forget impressions that no event at `now_us` or later can convert, shrink; return the bytes freed.

        `apply` calls it by itself whenever its table is full.
        """
        before = self.nbytes
        waiting = self._table[:, USER] >= 0
        waiting &= self._table[:, TIME] > now_us - self._within_us.max()
        self._hold(self._table[waiting])
        return before - self.nbytes

    def __len__(self) -> int:
        return int(self._num_pending[0])

    @property
    def nbytes(self) -> int:
        """Bytes of the table."""
        return self._table.nbytes

    def snapshot(self) -> dict[str, Int64s]:
        """Return the state as plain contiguous arrays."""
        return {"pending": self._table[self._table[:, USER] >= 0]}

    @classmethod
    def restore(cls, within_us: Sequence[int], arrays: dict[str, Int64s]) -> Self:
        """Return a structure that converts every later row as the one that made the snapshot."""
        attribution = cls(within_us)
        attribution._hold(as_int64(arrays["pending"]))
        return attribution

    def _hold(self, pending: Int64s) -> None:
        """Replace the table by one at most half full of these rows, so that the next rebuild is far."""
        num_cells = max(SMALLEST_TABLE, 1 << (2 * len(pending) - 1).bit_length())
        self._table = _empty_table(num_cells)
        self._num_pending[0] = len(pending)
        _fill(self._table, pending)


def _empty_table(num_cells: int) -> Int64s:
    return np.full((num_cells, NUM_COLUMNS), -1, dtype=np.int64)


@compiled
def _cell_of(table: Int64s, user: int, item: int) -> int:
    """The cell of the pair's impression, or the empty one where it would go."""
    cell: int = (hash_of(user, item) * table.shape[0]) >> 31
    while table[cell, USER] >= 0 and (table[cell, USER] != user or table[cell, ITEM] != item):
        cell = (cell + 1) & (table.shape[0] - 1)
    return cell


@compiled
def _fill(table: Int64s, pending: Int64s) -> None:
    for row in range(pending.shape[0]):
        cell = _cell_of(table, pending[row, USER], pending[row, ITEM])
        for column in range(NUM_COLUMNS):
            table[cell, column] = pending[row, column]


@compiled
def _apply(
    table: Int64s,
    num_pending: Int64s,
    within_us: Int64s,
    is_impression: npt.NDArray[np.bool_],
    label_bits: Int64s,
    users: Int64s,
    items: Int64s,
    times_us: Int64s,
    seqs: Int64s,
    converted: Int64s,
    impression_seq: Int64s,
    first_row: int,
) -> int:
    """Fold rows from `first_row`; return the row that found the table two thirds full, or N when done."""
    for row in range(first_row, users.shape[0]):
        user, item = users[row], items[row]
        if user < 0 or item < 0 or (label_bits[row] == 0 and not is_impression[row]):
            continue
        cell = _cell_of(table, user, item)
        if is_impression[row]:
            if table[cell, USER] < 0:
                if 3 * num_pending[0] >= 2 * table.shape[0]:
                    return row
                num_pending[0] += 1
            table[cell, USER] = user
            table[cell, ITEM] = item
            table[cell, TIME] = times_us[row]
            table[cell, SEQ] = seqs[row]
            table[cell, BITS] = 0
        elif table[cell, USER] >= 0:
            waited_us = times_us[row] - table[cell, TIME]
            fresh = label_bits[row] & ~table[cell, BITS]
            for label in range(within_us.shape[0]):
                if (fresh >> label) & 1 and waited_us < within_us[label]:
                    converted[row] |= 1 << label
            if converted[row] != 0:
                table[cell, BITS] |= converted[row]
                impression_seq[row] = table[cell, SEQ]
    return len(users)
