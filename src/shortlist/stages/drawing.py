"""Compiled: which candidates of a pool a seed draws, and the slate with them in their places.

The numbers are those of SplitMix64 (Steele, Lea & Flood, "Fast splittable pseudorandom number generators",
2014), which begins in a nanosecond where NumPy's generators take as long as a whole re-ranker.

C candidates, k places, P candidates in the pool.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from shortlist.compiled import compiled

Int64s = npt.NDArray[np.int64]

_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_30, _27, _31 = np.uint64(30), np.uint64(27), np.uint64(31)


@compiled
def _mixed(word: np.uint64) -> np.uint64:
    word = (word ^ (word >> _30)) * _FIRST
    word = (word ^ (word >> _27)) * _SECOND
    return word ^ (word >> _31)


@compiled
def drawn_places(k: int, slots: int) -> Int64s:
    """Return the 0-based places that are drawn: the middles of `slots` equal parts of k places."""
    places = np.empty(slots, dtype=np.int64)
    for slot in range(slots):
        places[slot] = (2 * slot + 1) * k // (2 * slots)
    return places


@compiled
def drawn(first: int, num: int, slots: int, words: Int64s) -> Int64s:
    """Return `slots` different numbers of first..first+num-1, uniformly, in the order of the draws.

    Args:
        first: the least number.
        num: how many to draw from.
        slots: how many to draw, at most `num`.
        words: int64[N], the seed: seeds that differ in any bit draw independently.
    """
    state = _STEP
    for word in words:
        state = _mixed(state ^ np.uint64(word)) + _STEP
    numbers = np.arange(first, first + num)
    for slot in range(slots):
        left = np.uint64(num - slot)
        too_low = (np.uint64(0) - left) % left  # 2^64 % left: without these all remainders are equally many
        state += _STEP
        while _mixed(state) < too_low:
            state += _STEP
        chosen = slot + np.int64(_mixed(state) % left)
        numbers[slot], numbers[chosen] = numbers[chosen], numbers[slot]
    return numbers[:slots]


@compiled
def with_drawn(size: int, k: int, chosen: Int64s, places: Int64s) -> Int64s:
    """Return the order int64[C] that shows the chosen candidates in some of the first k places.

    The other places are taken from the top, and what is not shown follows as it stood.
    """
    order, is_shown = np.empty(size, dtype=np.int64), np.zeros(size, dtype=np.bool_)
    num_chosen = num_kept = 0
    for place in range(k):
        if num_chosen < places.shape[0] and places[num_chosen] == place:
            order[place] = chosen[num_chosen]
            num_chosen += 1
        else:
            order[place] = num_kept
            num_kept += 1
        is_shown[order[place]] = True
    place = k
    for c in range(size):
        if not is_shown[c]:
            order[place] = c
            place += 1
    return order


@compiled
def explored(size: int, k: int, slots: int, num_pooled: int, words: Int64s) -> tuple[Int64s, Int64s]:
    """Return the order int64[C] with `slots` of the P candidates below the others shown, and where."""
    places = drawn_places(k, slots)
    return with_drawn(size, k, drawn(k - slots, num_pooled, slots, words), places), places
