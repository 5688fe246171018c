"""The kernels of `TileArena`: add an event to its key's tiles, merge tiles, read windows off them.

N rows added, C keys read, K keys, W windows, L lanes, R pool rows.

    pool       int64[R, 1 + L]     entries: start of the finest tile, running sum of each lane before it
    directory  int64[K, TOTALS + L]  the key's segment, then the running sum of each lane over all events
    spans_us   int64[2, W]         windows and tiles

A window's tail b = floor((now - W) / T) * T moves only forward and only along the grid of T. So an entry
need be told apart from the one before only while some window's grid point, not yet behind that window's
tail, lies between them; all others merge. That leaves at most W / T + 2 entries a window.

Running sums may wrap around in int64: only their differences are read, and those are exact.
"""

from __future__ import annotations

import numpy as np

from shortlist.compiled import compiled
from shortlist.features.kernels.arrays import Int64s
from shortlist.features.kernels.segments import (
    COUNT,
    NUM_SEGMENT_COLUMNS,
    SIZE_CLASS,
    START,
    capacity_of,
    enlarge,
)
from shortlist.prefetch import prefetch

TOTALS = NUM_SEGMENT_COLUMNS  # the first of the directory's L columns of running sums
WINDOW, TILE = 0, 1
ROW = 2
BEFORE_ALL = np.iinfo(np.int64).min


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
def compact_all(pool: Int64s, directory: Int64s, spans_us: Int64s, now_us: int) -> int:
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
def add_rows(
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
def segments_of(pool: Int64s, directory: Int64s, keys: Int64s) -> Int64s:
    """Return int64[C, 3]: START, COUNT and ROW of each key's segment; a key without one has a COUNT of 0.

    Memory is asked for the rows of all keys, and for where each search begins, before the first is read.
    """
    width, last = directory.shape[1], directory.shape[0] - 1
    for c in range(keys.shape[0]):
        row = max(0, min(keys[c], last))
        prefetch(directory, row * width)
        prefetch(directory, row * width + width - 1)
    segments = np.empty((keys.shape[0], 3), dtype=np.int64)
    for c in range(keys.shape[0]):
        row = max(0, min(keys[c], last))
        start, count = directory[row, START], directory[row, COUNT] if row == keys[c] else 0
        prefetch(pool, start * pool.shape[1])
        prefetch(pool, (start + (count >> 1)) * pool.shape[1])
        segments[c, START], segments[c, COUNT], segments[c, ROW] = start, count, row
    return segments


@compiled
def boundaries(spans_us: Int64s, now_us: int) -> Int64s:
    """Return int64[W], where each window begins."""
    boundaries_us = np.empty(spans_us.shape[1], dtype=np.int64)
    for w in range(spans_us.shape[1]):
        tile = spans_us[TILE, w]
        boundaries_us[w] = (now_us - spans_us[WINDOW, w]) // tile * tile
    return boundaries_us


@compiled
def first_entry(pool: Int64s, start: int, count: int, boundary_us: int) -> int:
    """The first entry at or past the boundary, among one or more from `start`."""
    if pool[start, 0] >= boundary_us:  # of the longest window, mostly: what lies before it is merged
        return start
    # No branch depends on the data: a mispredicted one would cost more than the whole step.
    entry, num_left = start, count
    while num_left > 1:
        half = num_left >> 1
        entry += half * (pool[entry + half - 1, 0] < boundary_us)
        num_left -= half
    found: int = entry + (pool[entry, 0] < boundary_us)
    return found


@compiled
def read_sums(
    pool: Int64s, directory: Int64s, spans_us: Int64s, keys: Int64s, now_us: int, out: Int64s
) -> None:
    """Fill out int64[C, W, L]."""
    segments = segments_of(pool, directory, keys)
    boundaries_us = boundaries(spans_us, now_us)
    for c in range(keys.shape[0]):
        start, count, row = segments[c, START], segments[c, COUNT], segments[c, ROW]
        for w in range(out.shape[1]):
            entry = first_entry(pool, start, count, boundaries_us[w]) if count > 0 else start
            for lane in range(out.shape[2]):
                total = directory[row, TOTALS + lane]
                out[c, w, lane] = total - pool[entry, 1 + lane] if entry < start + count else 0
