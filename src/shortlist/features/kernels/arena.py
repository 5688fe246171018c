"""Window sums online: a per-key list of (tile, running sum before it), read by binary search.

N rows added, C keys read, K keys, W windows, L lanes (values summed side by side), R pool rows.

For a window W with tile T, read at `now`, the sum covers the events with b <= time < now, where
b = floor((now - W) / T) * T: the head is exact, the tail is aligned to the tile. As b moves only forward
and only along the grid of T, an event need be told apart from its predecessor only while some window's
grid point, still ahead of that window's b, lies between them. Everything else merges, so that a key costs
at most sum over windows of (W / T + 2) entries, however many events it has.

Prefix sums may wrap around in int64: only their differences are read, and those are exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Self

import numpy as np

from shortlist.compiled import compiled
from shortlist.features.kernels.arrays import Int64s, as_int64, grown
from shortlist.features.kernels.segments import (
    COUNT,
    NUM_SEGMENT_COLUMNS,
    SIZE_CLASS,
    START,
    UNBOUNDED,
    capacity_of,
    enlarge,
    new_state,
    packed_rows,
    repacked,
    with_room,
)

TOTALS = NUM_SEGMENT_COLUMNS  # the first of the directory's L columns of running totals
WINDOW, TILE = 0, 1  # the two rows of spans_us int64[2, W]
BEFORE_ALL = np.iinfo(np.int64).min


class TileArena:
    """The state of one key space's windowed sums. Not thread-safe: its owner serialises the calls."""

    def __init__(self, windows_us: Sequence[int], tiles_us: Sequence[int], num_lanes: int) -> None:
        """Make an empty arena.

        Args:
            windows_us: W window lengths.
            tiles_us: W tile lengths; each window is a multiple of its tile, each coarser tile of every finer.
            num_lanes: L, the number of values summed per event.
        """
        tiles = sorted(tiles_us)
        assert len(windows_us) == len(tiles_us) > 0, "one tile a window"
        assert all(window % tile == 0 for window, tile in zip(windows_us, tiles_us, strict=True))
        assert all(coarse % fine == 0 for fine, coarse in pairwise(tiles))
        self.num_lanes = num_lanes
        self._spans_us = np.array([windows_us, tiles_us], dtype=np.int64)
        self._pool = np.zeros((8, 1 + num_lanes), dtype=np.int64)
        self._directory = np.zeros((4, TOTALS + num_lanes), dtype=np.int64)
        self._state = new_state(largest=UNBOUNDED)
        self._latest_us = int(BEFORE_ALL)

    def add(self, keys: Int64s, times_us: Int64s, values: Int64s) -> None:
        """Add events in log order.

        Args:
            keys: int64[N], dense slots; a row with key -1 is skipped.
            times_us: int64[N], log times, non-decreasing over the arena's life.
            values: int64[N, L].
        """
        keys, times_us, values = as_int64(keys), as_int64(times_us), as_int64(values)
        num_rows = len(keys)
        if num_rows == 0:
            return
        assert values.shape == (num_rows, self.num_lanes)
        assert times_us.shape == keys.shape
        self._latest_us = int(times_us[-1])
        row = 0
        while True:
            row = _add(self._pool, self._directory, self._state, self._spans_us, keys, times_us, values, row)
            if row == num_rows:
                return
            if keys[row] >= len(self._directory):
                self._directory = grown(self._directory, int(keys[row]) + 1)
            else:
                self._pool = with_room(self._pool, self._state)

    def read(self, keys: Int64s, now_us: int) -> Int64s:
        """Return int64[C, W, L], the sums of each window; zeros for key -1 and for keys never seen.

        `now_us` must be greater than every time added and not below the last `release`: the arena keeps
        nothing with which to answer about an earlier moment.
        """
        out = np.empty((len(keys), self._spans_us.shape[1], self.num_lanes), dtype=np.int64)
        self.read_into(keys, now_us, out)
        return out

    def read_into(self, keys: Int64s, now_us: int, out: Int64s) -> None:
        """As `read`, into a C-contiguous int64[C, W, L] of the caller's."""
        _read(self._pool, self._directory, self._spans_us, as_int64(keys), now_us, out)

    def release(self, now_us: int) -> int:
        """Merge what no window can tell apart, forget keys that no window reaches; return the bytes freed."""
        before = self.nbytes
        num_keys = _compact_all(self._pool, self._directory, self._spans_us, now_us)
        self._directory = self._directory[: max(num_keys, 1)].copy()
        self._pool = repacked(self._pool, self._directory, self._state)
        return before - self.nbytes

    def live(self, num_keys: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Return bool[num_keys]: which slots hold state. Right after `release`, the others may be reused."""
        live = np.zeros(num_keys, dtype=np.bool_)
        counts = self._directory[:num_keys, COUNT]
        live[: len(counts)] = counts > 0
        return live

    @property
    def num_entries(self) -> int:
        """Entries held, over all keys."""
        return int(self._directory[:, COUNT].sum())

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays that hold the state."""
        return self._pool.nbytes + self._directory.nbytes

    def snapshot(self) -> dict[str, Int64s]:
        """Return the state as plain contiguous arrays, compacted as of the last time added."""
        _compact_all(self._pool, self._directory, self._spans_us, self._latest_us)
        return {
            "counts": self._directory[:, COUNT].copy(),
            "totals": self._directory[:, TOTALS:].copy(),
            "entries": packed_rows(self._pool, self._directory),
            "latest_us": np.array([self._latest_us], dtype=np.int64),
        }

    @classmethod
    def restore(
        cls, windows_us: Sequence[int], tiles_us: Sequence[int], num_lanes: int, arrays: dict[str, Int64s]
    ) -> Self:
        """Return an arena that answers every read as the one that made the snapshot."""
        arena = cls(windows_us, tiles_us, num_lanes)
        counts = arrays["counts"]
        arena._directory = np.zeros((max(len(counts), 1), TOTALS + num_lanes), dtype=np.int64)
        arena._directory[: len(counts), START] = np.cumsum(counts) - counts
        arena._directory[: len(counts), COUNT] = counts
        arena._directory[: len(counts), TOTALS:] = arrays["totals"]
        arena._pool = repacked(as_int64(arrays["entries"]), arena._directory, arena._state)
        arena._latest_us = int(arrays["latest_us"][0])
        return arena


@compiled
def _compact(pool: Int64s, directory: Int64s, spans_us: Int64s, key: int, now_us: int) -> int:
    """Drop entries that no boundary of `now_us` or later tells from the one before; count the rest."""
    start = directory[key, START]
    kept = 0
    previous = BEFORE_ALL
    for i in range(start, start + directory[key, COUNT]):
        tile_start = pool[i, 0]
        for w in range(spans_us.shape[1]):
            tile = spans_us[TILE, w]
            # A grid point is at or past floor((now - W) / T) * T exactly if it is above now - W - T.
            unreachable = now_us - spans_us[WINDOW, w] - tile
            if tile_start <= unreachable:
                continue
            grid_point = tile_start // tile * tile
            if grid_point > previous and grid_point > unreachable:
                for column in range(pool.shape[1]):
                    pool[start + kept, column] = pool[i, column]
                kept += 1
                break
        previous = tile_start
    directory[key, COUNT] = kept
    return kept


@compiled
def _compact_all(pool: Int64s, directory: Int64s, spans_us: Int64s, now_us: int) -> int:
    """Compact every key and zero the totals of the empty ones; return one more than the last live key."""
    num_keys = 0
    for key in range(directory.shape[0]):
        if _compact(pool, directory, spans_us, key, now_us) > 0:
            num_keys = key + 1
        else:
            for column in range(TOTALS, directory.shape[1]):
                directory[key, column] = 0
    return num_keys


@compiled
def _add(
    pool: Int64s,
    directory: Int64s,
    state: Int64s,
    spans_us: Int64s,
    keys: Int64s,
    times_us: Int64s,
    values: Int64s,
    first_row: int,
) -> int:
    """Add rows from `first_row`; return the row that found no room in directory or pool, or N when done."""
    num_lanes = values.shape[1]
    finest = spans_us[TILE, 0]
    for w in range(spans_us.shape[1]):
        finest = min(finest, spans_us[TILE, w])
    for row in range(first_row, keys.shape[0]):
        key = keys[row]
        if key < 0:
            continue
        if key >= directory.shape[0]:
            return row
        tile_start = times_us[row] // finest * finest
        count = directory[key, COUNT]
        if count == 0 or pool[directory[key, START] + count - 1, 0] < tile_start:
            capacity = capacity_of(state, directory[key, SIZE_CLASS])
            if count == capacity:
                count = _compact(pool, directory, spans_us, key, times_us[row])
                full = 4 * count > 3 * capacity or capacity == 0
                if full and not enlarge(pool, directory, state, key):
                    return row
            entry = directory[key, START] + count
            pool[entry, 0] = tile_start
            for lane in range(num_lanes):
                pool[entry, 1 + lane] = directory[key, TOTALS + lane]
            directory[key, COUNT] = count + 1
        for lane in range(num_lanes):
            directory[key, TOTALS + lane] += values[row, lane]
    return len(keys)


@compiled
def _read(pool: Int64s, directory: Int64s, spans_us: Int64s, keys: Int64s, now_us: int, out: Int64s) -> int:
    """Fill out int64[C, W, L]. The number returned means nothing: it keeps the first loop alive."""
    num_windows, num_lanes = out.shape[1], out.shape[2]
    # Candidates are scattered over memory. Touching all of them first lets the processor wait for many
    # cache lines at once; the searches below would wait for one after another (2 to 3 times slower).
    touched = 0
    for c in range(keys.shape[0]):
        key = keys[c]
        if 0 <= key < directory.shape[0]:
            touched ^= directory[key, COUNT]
    for c in range(keys.shape[0]):
        key = keys[c]
        if 0 <= key < directory.shape[0] and directory[key, COUNT] > 0:
            touched ^= pool[directory[key, START] + (directory[key, COUNT] >> 1), 0]

    boundaries_us = np.empty(num_windows, dtype=np.int64)
    for w in range(num_windows):
        tile = spans_us[TILE, w]
        boundaries_us[w] = (now_us - spans_us[WINDOW, w]) // tile * tile
    for c in range(keys.shape[0]):
        key = keys[c]
        count = directory[key, COUNT] if 0 <= key < directory.shape[0] else 0
        if count == 0:
            for w in range(num_windows):
                for lane in range(num_lanes):
                    out[c, w, lane] = 0
            continue
        start = directory[key, START]
        end = start + count
        for w in range(num_windows):
            boundary_us = boundaries_us[w]
            # Find the first entry at or past the boundary. No branch depends on the data: a mispredicted
            # one would cost more than the whole step.
            entry, num_left = start, count
            while num_left > 1:
                half = num_left >> 1
                entry += half * (pool[entry + half - 1, 0] < boundary_us)
                num_left -= half
            entry += pool[entry, 0] < boundary_us
            for lane in range(num_lanes):
                total = directory[key, TOTALS + lane]
                out[c, w, lane] = total - pool[entry, 1 + lane] if entry < end else 0
    return int(touched)
