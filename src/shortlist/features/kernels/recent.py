"""The last n items of every key, newest first: histories such as "the last 50 videos this user watched".

N rows added, C keys read, K keys, R pool rows, n the most items kept a key.

Each key owns a ring of (item, time) rows in a segment of the shared pool: two rows at first, doubled while
it overflows, n at most. Only then does a new item overwrite the oldest.
"""

from __future__ import annotations

from typing import Self

import numpy as np

from shortlist.compiled import compiled
from shortlist.features.kernels.arrays import Int64s, as_int64, grown
from shortlist.features.kernels.segmented import Segmented
from shortlist.features.kernels.segments import (
    COUNT,
    NUM_SEGMENT_COLUMNS,
    SIZE_CLASS,
    START,
    capacity_of,
    enlarge,
    new_state,
    packed_rows,
    repacked,
    with_room,
)

OLDEST = NUM_SEGMENT_COLUMNS  # directory column: where in the segment the oldest row is
ITEM, TIME = 0, 1
NO_MAX_AGE = -1


class RecentItems(Segmented):
    """The last `n` items of each key, repeats included. Not thread-safe."""

    def __init__(self, n: int) -> None:
        assert n > 0
        self.n = n
        self._pool = np.zeros((8, 2), dtype=np.int64)
        self._directory = np.zeros((4, OLDEST + 1), dtype=np.int64)
        self._state = new_state(largest=n)

    def add(self, keys: Int64s, items: Int64s, times_us: Int64s) -> None:
        """Add events in log order; a row whose key or item is negative is skipped.

        Args:
            keys: int64[N], dense slots.
            items: int64[N].
            times_us: int64[N], log times, non-decreasing over the structure's life.
        """
        keys, items, times_us = as_int64(keys), as_int64(items), as_int64(times_us)
        assert keys.shape == items.shape == times_us.shape
        row = 0
        while True:
            row = add_items(self._pool, self._directory, self._state, keys, items, times_us, row)
            if row == len(keys):
                return
            if keys[row] >= len(self._directory):
                self._directory = grown(self._directory, int(keys[row]) + 1)
            else:
                self._pool = with_room(self._pool, self._state)

    def read(self, key: int, now_us: int, max_age_us: int = NO_MAX_AGE) -> Int64s:
        """Return int64[<= n], one key's items of [now - max_age, now), newest first. See `read_many`."""
        out = np.empty((1, self.n), dtype=np.int64)
        key_1 = np.array([key], dtype=np.int64)
        num_items = _read(self._pool, self._directory, key_1, now_us, max_age_us, out)
        return out[0, :num_items]

    def read_many(self, keys: Int64s, now_us: int, max_age_us: int = NO_MAX_AGE) -> Int64s:
        """Return int64[C, n], each key's items of [now - max_age, now), newest first, padded with -1.

        Args:
            keys: int64[C]; -1 and unseen keys give a row of -1.
            now_us: greater than every time added.
            max_age_us: exact, not aligned to any tile; -1 for no limit.
        """
        out = np.empty((len(keys), self.n), dtype=np.int64)
        _read(self._pool, self._directory, as_int64(keys), now_us, max_age_us, out)
        return out

    def release(self, now_us: int, max_age_us: int = NO_MAX_AGE) -> int:
        """Forget items older than `max_age_us`, shrink; return the bytes freed."""
        before = self.nbytes
        self._drop_older(_oldest_us(now_us, max_age_us))
        self._pool = repacked(self._pool, self._directory, self._state)
        return before - self.nbytes

    def live(self, num_keys: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Return bool[num_keys]: which slots hold items. Right after `release`, the others may be reused."""
        live = np.zeros(num_keys, dtype=np.bool_)
        counts = self._directory[:num_keys, COUNT]
        live[: len(counts)] = counts > 0
        return live

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays that hold the state."""
        return self._pool.nbytes + self._directory.nbytes

    def snapshot(self) -> dict[str, Int64s]:
        """Return the state as plain contiguous arrays."""
        self._drop_older(_oldest_us(0, NO_MAX_AGE))
        return {
            "counts": self._directory[:, COUNT].copy(),
            "rows": packed_rows(self._pool, self._directory),
        }

    @classmethod
    def restore(cls, n: int, arrays: dict[str, Int64s]) -> Self:
        """Return a structure that answers every read as the one that made the snapshot."""
        recent = cls(n)
        counts = arrays["counts"]
        recent._directory = np.zeros((max(len(counts), 1), OLDEST + 1), dtype=np.int64)
        recent._directory[: len(counts), START] = np.cumsum(counts) - counts
        recent._directory[: len(counts), COUNT] = counts
        recent._pool = repacked(as_int64(arrays["rows"]), recent._directory, recent._state)
        return recent

    def _drop_older(self, oldest_us: int) -> None:
        num_keys = _straighten(self._pool, self._directory, oldest_us, np.empty((self.n, 2), dtype=np.int64))
        self._directory = self._directory[: max(num_keys, 1)].copy()


def _oldest_us(now_us: int, max_age_us: int) -> int:
    return int(np.iinfo(np.int64).min) if max_age_us == NO_MAX_AGE else now_us - max_age_us


@compiled
def add_items(
    pool: Int64s,
    directory: Int64s,
    state: Int64s,
    keys: Int64s,
    items: Int64s,
    times_us: Int64s,
    first_row: int,
) -> int:
    """Add rows from `first_row`; return the row that found no room in directory or pool, or N when done."""
    for row in range(first_row, keys.shape[0]):
        key = keys[row]
        if key < 0 or items[row] < 0:
            continue
        if key >= directory.shape[0]:
            return row
        count = directory[key, COUNT]
        capacity = capacity_of(state, directory[key, SIZE_CLASS])
        # A segment below the largest size never wraps, so its rows are in order when it moves.
        if count == capacity and capacity_of(state, directory[key, SIZE_CLASS] + 1) > capacity:
            if not enlarge(pool, directory, state, key):
                return row
            capacity = capacity_of(state, directory[key, SIZE_CLASS])
        oldest = directory[key, OLDEST]
        if count < capacity:
            directory[key, COUNT] = count + 1
        else:
            directory[key, OLDEST] = (oldest + 1) % capacity
        newest = directory[key, START] + (oldest + count) % capacity
        pool[newest, ITEM] = items[row]
        pool[newest, TIME] = times_us[row]
    return len(keys)


@compiled
def _read(pool: Int64s, directory: Int64s, keys: Int64s, now_us: int, max_age_us: int, out: Int64s) -> int:
    """Fill out int64[C, n] and return how many items were written in all."""
    written = 0
    n = out.shape[1]
    for c in range(keys.shape[0]):
        key = keys[c]
        count = directory[key, COUNT] if 0 <= key < directory.shape[0] else 0
        rank = 0
        while rank < count:
            # A ring wraps only once it is full, and a full one of the largest size has n rows.
            row = directory[key, START] + (directory[key, OLDEST] + count - 1 - rank) % n
            if max_age_us >= 0 and pool[row, TIME] < now_us - max_age_us:
                break
            out[c, rank] = pool[row, ITEM]
            rank += 1
        written += rank
        for empty in range(rank, n):
            out[c, empty] = -1
    return written


@compiled
def _straighten(pool: Int64s, directory: Int64s, oldest_us: int, scratch: Int64s) -> int:
    """Drop rows before `oldest_us`, turn every ring so that it starts with its oldest row.

    Returns one more than the last key that still has rows. `scratch` is int64[n, 2].
    """
    num_keys = 0
    n = scratch.shape[0]
    for key in range(directory.shape[0]):
        start, count, oldest = directory[key, START], directory[key, COUNT], directory[key, OLDEST]
        kept = 0
        for i in range(count):
            row = start + (oldest + i) % n
            if pool[row, TIME] >= oldest_us:
                scratch[kept, ITEM] = pool[row, ITEM]
                scratch[kept, TIME] = pool[row, TIME]
                kept += 1
        for i in range(kept):
            pool[start + i, ITEM] = scratch[i, ITEM]
            pool[start + i, TIME] = scratch[i, TIME]
        directory[key, COUNT] = kept
        directory[key, OLDEST] = 0
        if kept > 0:
            num_keys = key + 1
    return num_keys
