"""The kernels of what stages share: few hundred candidates, one pass, no sorting.

C candidates, N others, T cells of an open-addressing table (a power of two).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from shortlist.compiled import compiled

Int64s = npt.NDArray[np.int64]
Float64s = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_MIX, _SHIFT = np.uint64(0x9E3779B97F4A7C15), np.uint64(40)


@compiled
def _table_for(size: int) -> Int64s:
    """Return an empty table int64[T] with room for so many values; cells hold a place + 1."""
    num_cells = 16
    while num_cells < 2 * size:
        num_cells *= 2
    return np.zeros(num_cells, dtype=np.int64)


@compiled
def _cell_of(table: Int64s, values: Int64s, value: int) -> int:
    """The cell that holds the place of a value, or the empty one where it would go."""
    last_cell = table.shape[0] - 1
    cell: int = int((np.uint64(value) * _MIX) >> _SHIFT) & last_cell
    while table[cell] != 0 and values[table[cell] - 1] != value:
        cell = (cell + 1) & last_cell
    return cell


@compiled
def places_among(items: Int64s, others: Int64s) -> Int64s:
    """Return the place of each item int64[C] among the others int64[N], -1 where it is none of them."""
    table = _table_for(others.shape[0])
    for n in range(others.shape[0]):
        table[_cell_of(table, others, others[n])] = n + 1
    places = np.empty(items.shape[0], dtype=np.int64)
    for c in range(items.shape[0]):
        places[c] = table[_cell_of(table, others, items[c])] - 1
    return places


@compiled
def is_reordered(items: Int64s, others: Int64s) -> bool:
    """Tell whether items int64[C] are the others int64[N], each of which stands there once, in some order."""
    if items.shape[0] != others.shape[0]:
        return False
    is_met = np.zeros(others.shape[0], dtype=np.bool_)
    for place in places_among(items, others):
        if place < 0 or is_met[place]:
            return False
        is_met[place] = True
    return True


@compiled
def new_among(found: Int64s, codes: Int64s, had: Int64s, num: int) -> tuple[Int64s, Int64s]:
    """Return the codes of the first `num` items found that have one and were not had, and their places.

    Args:
        found: int64[C], numbers from 0; -1 is passed over.
        codes: int64[I], the code of each number; -1 for none.
        had: int64[N], codes.
        num: how many at most.
    """
    table = _table_for(had.shape[0])
    for n in range(had.shape[0]):
        table[_cell_of(table, had, had[n])] = n + 1
    items, places = np.empty_like(found), np.empty_like(found)
    size = 0
    for c in range(found.shape[0]):
        code = codes[found[c]] if found[c] >= 0 else -1
        if size < num and code >= 0 and table[_cell_of(table, had, code)] == 0:
            items[size], places[size] = code, c
            size += 1
    return items[:size], places[:size]


@compiled
def occurrences(groups: Int64s) -> Int64s:
    """Return how many candidates of the same group int64[C] stand before each; 0 for group -1."""
    table = _table_for(groups.shape[0])
    counts = np.zeros(groups.shape[0], dtype=np.int64)
    before = np.zeros(groups.shape[0], dtype=np.int64)
    for c in range(groups.shape[0]):
        if groups[c] >= 0:
            cell = _cell_of(table, groups, groups[c])
            if table[cell] == 0:
                table[cell] = c + 1
            first = table[cell] - 1
            before[c] = counts[first]
            counts[first] += 1
    return before


@compiled
def limited(groups: Int64s, num: int, size: int) -> tuple[Int64s, int]:
    """Put the first `num` candidates of each group before the others of the C, and those before the rest.

    Args:
        groups: int64[C]; group -1 is not limited.
        num: how many of one group.
        size: how many candidates in all; those from C on stay where they are.

    Returns:
        The order int64[size], and how many are within the limit.
    """
    before = occurrences(groups)
    order = np.arange(size)
    within = 0
    for c in range(groups.shape[0]):
        if before[c] < num:
            order[within] = c
            within += 1
    place = within
    for c in range(groups.shape[0]):
        if before[c] >= num:
            order[place] = c
            place += 1
    return order, within


@compiled
def is_falling(scores: Float64s) -> bool:
    """Tell whether no score float64[C] is above the one before it."""
    is_so = True
    for c in range(1, scores.shape[0]):
        is_so &= scores[c] <= scores[c - 1]
    return is_so


@compiled
def debts(scores: Float64s, groups: Int64s, discounts: Float64s) -> Float64s:
    """Return minus what each candidate is worth: its relevance, discounted for the group's before it.

    Args:
        scores: float64[C], falling; scaled to 0..1 they are the relevance.
        groups: int64[C].
        discounts: float64[at least C], by how many of the group stand before.
    """
    size = scores.shape[0]
    before = occurrences(groups)
    debts = np.empty(size, dtype=np.float64)
    spread = scores[0] - scores[size - 1] if size > 0 else 0.0
    for c in range(size):
        relevance = (scores[c] - scores[size - 1]) / spread if spread > 0 else 1.0
        debts[c] = -(relevance * discounts[before[c]])
    return debts


@compiled
def interleaved(items: Int64s, ends: Int64s, numbers: Int64s) -> tuple[Int64s, Int64s]:
    """Take every source's first item, then every source's second, ..., each item once.

    Args:
        items: int64[N], of one source after the other.
        ends: int64[S], where each source's items end.
        numbers: int64[S], each source's number, below 63.

    Returns:
        The distinct items, and of each the bits of the sources that named it.
    """
    table = _table_for(items.shape[0])
    merged, sources = np.empty_like(items), np.zeros_like(items)
    size = turn = 0
    is_more = items.shape[0] > 0
    while is_more:
        is_more = False
        for s in range(ends.shape[0]):
            place = (ends[s - 1] if s > 0 else 0) + turn
            if place >= ends[s]:
                continue
            is_more = True
            cell = _cell_of(table, merged, items[place])
            if table[cell] == 0:
                merged[size] = items[place]
                size += 1
                table[cell] = size
            sources[table[cell] - 1] |= 1 << numbers[s]
        turn += 1
    return merged[:size], sources[:size]
