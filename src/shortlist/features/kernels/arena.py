"""Window sums online: a per-key list of (tile, running sum before it), read by binary search.

N rows added, C keys read, K keys, W windows, L lanes (values summed side by side), R pool rows.

For a window W with tile T, read at `now`, the sum covers the events with b <= time < now, where
b = floor((now - W) / T) * T: the head is exact, the tail is aligned to the tile. A key costs at most
sum over windows of (W / T + 2) entries, however many events it has: `tiles` says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Self

import numpy as np

from shortlist.features.kernels.arrays import Int64s, as_int64, grown
from shortlist.features.kernels.segmented import Segmented
from shortlist.features.kernels.segments import (
    COUNT,
    START,
    UNBOUNDED,
    new_state,
    packed_rows,
    repacked,
    with_room,
)
from shortlist.features.kernels.tiles import BEFORE_ALL, TILE, TOTALS, add_rows, compact_all, read_sums


class TileArena(Segmented):
    """The state of one key space's windowed sums. Not thread-safe: its owner serialises the calls.

    `latest_us` is the time of the last row added.
    """

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
        self.latest_us = int(BEFORE_ALL)

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
        self.latest_us = int(times_us[-1])
        row = 0
        while True:
            row = add_rows(
                self._pool, self._directory, self._state, self._spans_us, keys, times_us, values, row
            )
            if row == num_rows:
                return
            if keys[row] >= len(self._directory):
                self._directory = grown(self._directory, int(keys[row]) + 1)
            else:
                self._pool = with_room(self._pool, self._state)

    def arrays(self) -> tuple[Int64s, ...]:
        """See `Segmented.arrays`."""
        return *super().arrays(), self._spans_us

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
        read_sums(self._pool, self._directory, self._spans_us, as_int64(keys), now_us, out)

    def release(self, now_us: int) -> int:
        """Merge what no window can tell apart, forget keys that no window reaches; return the bytes freed."""
        before = self.nbytes
        num_keys = compact_all(self._pool, self._directory, self._spans_us, now_us)
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
        """Return the state as plain contiguous arrays, compacted as of the last time added.

        Keys up to the last with entries have a count; those with entries have totals, in their order. An
        entry's tile is given as how many finest tiles it lies before that of the last time added.
        """
        num_keys = compact_all(self._pool, self._directory, self._spans_us, self.latest_us)
        counts = self._directory[:num_keys, COUNT].copy()
        entries = packed_rows(self._pool, self._directory)
        finest_us = self._spans_us[TILE].min()
        entries[:, 0] = self.latest_us // finest_us - entries[:, 0] // finest_us
        return {
            "counts": counts,
            "totals": self._directory[:num_keys][counts > 0, TOTALS:],
            "entries": entries,
            "latest_us": np.array([self.latest_us], dtype=np.int64),
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
        arena._directory[: len(counts)][counts > 0, TOTALS:] = arrays["totals"]
        arena.latest_us = int(arrays["latest_us"][0])
        entries, finest_us = arrays["entries"].copy(), arena._spans_us[TILE].min()
        entries[:, 0] = (arena.latest_us // finest_us - entries[:, 0]) * finest_us
        arena._pool = repacked(as_int64(entries), arena._directory, arena._state)
        return arena
