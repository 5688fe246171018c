"""Sum co-visits one row of the item-to-item matrix at a time, and read the rows that were kept, compiled.

N interactions, U users, I items, R of them in a row, M neighbours kept an item, E kept of all, L history.
The I x I matrix is never built: one dense row of I sums is filled and emptied for each item in turn
(Gustavson 1978), so memory is N + I + R x M, whatever the number of pairs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist.compiled import compiled


@compiled
def fill_neighbours(
    first_item: int,
    last_item: int,
    visits_of_item: NDArray[np.int64],
    item_starts: NDArray[np.int64],
    users: NDArray[np.int32],
    user_starts: NDArray[np.int64],
    items: NDArray[np.int32],
    times_us: NDArray[np.int64],
    weights: NDArray[np.float32],
    norms: NDArray[np.float64],
    gap_decay: NDArray[np.float64],
    time_half_life_us: float,
    backward: float,
    row_I: NDArray[np.float64],
    touched_I: NDArray[np.int32],
    neighbours_RM: NDArray[np.int32],
    scores_RM: NDArray[np.float32],
) -> None:
    """Fill the rows of the R items first_item..last_item-1, best first; what is left free is not written.

    Visits lie sorted by user, then time; `user_starts` and `item_starts` bound a user's visits and an item's
    entries in `visits_of_item`. `row_I` comes in as zeros and goes out as zeros.
    """
    for item in range(first_item, last_item):
        num_touched = 0
        for entry in range(item_starts[item], item_starts[item + 1]):
            visit = visits_of_item[entry]
            user = users[visit]
            for other in range(user_starts[user], user_starts[user + 1]):
                if other == visit:
                    continue
                decay = np.exp2(-abs(times_us[other] - times_us[visit]) / time_half_life_us)
                together = weights[visit] * weights[other] * gap_decay[abs(other - visit)] * decay
                if other < visit:
                    together *= backward
                if together <= 0.0:
                    continue
                if row_I[items[other]] == 0.0:
                    touched_I[num_touched] = items[other]
                    num_touched += 1
                row_I[items[other]] += together
        best_M, scores_M, num_kept = neighbours_RM[item - first_item], scores_RM[item - first_item], 0
        for index in range(num_touched):
            other_item = touched_I[index]
            score = float(np.float32(row_I[other_item] / (norms[item] * norms[other_item])))
            row_I[other_item] = 0.0
            num_kept = keep_best(score, other_item, scores_M, best_M, num_kept)
        sort_kept(scores_M, best_M, num_kept)


@compiled
def sum_over_history(
    history_L: NDArray[np.int64],
    recency_L: NDArray[np.float64],
    starts: NDArray[np.int64],
    neighbours_E: NDArray[np.int32],
    scores_E: NDArray[np.float32],
    allowed_bits: NDArray[np.uint8],
    best_items: NDArray[np.int32],
    best_scores: NDArray[np.float32],
) -> int:
    """Add the rows of a history, each times its recency; write the best sums, return their number.

    The neighbours of item i lie at starts[i] to starts[i + 1] - 1; what is no item is passed over. Only items
    with their bit set, see `Allowed.bits`, are written; without any bits all count.
    """
    num_items = starts.shape[0] - 1
    num_added = 0
    for back in range(history_L.shape[0]):
        if 0 <= history_L[back] < num_items:
            num_added += starts[history_L[back] + 1] - starts[history_L[back]]
    num_slots = 16
    while num_slots < 2 * num_added:
        num_slots *= 2
    slot_items = np.full(num_slots, np.int32(-1))  # a hash table with open addressing
    slot_sums = np.zeros(num_slots)
    for back in range(history_L.shape[0]):
        if not 0 <= history_L[back] < num_items:
            continue
        for entry in range(starts[history_L[back]], starts[history_L[back] + 1]):
            item = neighbours_E[entry]
            place = (int(item) * 2_654_435_761) & (num_slots - 1)
            while slot_items[place] != item and slot_items[place] >= 0:
                place = (place + 1) & (num_slots - 1)
            slot_items[place] = item
            slot_sums[place] += recency_L[back] * scores_E[entry]
    num_kept = 0
    for slot in range(num_slots):
        item = slot_items[slot]
        if item >= 0 and (
            allowed_bits.shape[0] == 0 or allowed_bits[item >> 3] >> np.uint8(item & 7) & np.uint8(1)
        ):
            total = float(np.float32(slot_sums[slot]))
            num_kept = keep_best(total, item, best_scores, best_items, num_kept)
    sort_kept(best_scores, best_items, num_kept)
    return num_kept


@compiled
def ranks_before(score: float, item: int, other_score: float, other_item: int) -> bool:
    """Order by score, best first, then by item, so that ties are settled the same way everywhere."""
    return score > other_score or (score == other_score and item < other_item)


@compiled
def keep_best(
    score: float, item: int, heap_scores: NDArray[np.float32], heap_items: NDArray[np.int32], size: int
) -> int:
    """Offer an item to a heap that keeps the best, its worst on top; return the heap's new size."""
    if size < heap_scores.shape[0]:
        place = size
        while place > 0:
            parent = (place - 1) // 2
            if not ranks_before(heap_scores[parent], heap_items[parent], score, item):
                break
            heap_scores[place], heap_items[place] = heap_scores[parent], heap_items[parent]
            place = parent
        heap_scores[place], heap_items[place] = score, item
        return size + 1
    if size > 0 and ranks_before(score, item, heap_scores[0], heap_items[0]):
        _sink(score, item, heap_scores, heap_items, size)
    return size


@compiled
def sort_kept(heap_scores: NDArray[np.float32], heap_items: NDArray[np.int32], size: int) -> None:
    """Turn the heap into a list, best first: the worst goes to the end, again and again."""
    for last in range(size - 1, 0, -1):
        score, item = heap_scores[last], heap_items[last]
        heap_scores[last], heap_items[last] = heap_scores[0], heap_items[0]
        _sink(score, item, heap_scores, heap_items, last)


@compiled
def _sink(
    score: float, item: int, heap_scores: NDArray[np.float32], heap_items: NDArray[np.int32], size: int
) -> None:
    place = 0
    while 2 * place + 1 < size:
        child = 2 * place + 1
        if child + 1 < size and ranks_before(
            heap_scores[child], heap_items[child], heap_scores[child + 1], heap_items[child + 1]
        ):
            child += 1
        if not ranks_before(score, item, heap_scores[child], heap_items[child]):
            break
        heap_scores[place], heap_items[place] = heap_scores[child], heap_items[child]
        place = child
    heap_scores[place], heap_items[place] = score, item
