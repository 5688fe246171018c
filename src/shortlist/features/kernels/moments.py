"""The kernels of `Newest`: runs of (moment, code), by rising moment and, of equal moments, falling code.

R, S entries of two runs, K ids, A attributes of an id, n ids wanted.
"""

from __future__ import annotations

import numpy as np

from shortlist.compiled import compiled
from shortlist.features.kernels.arrays import Int64s


@compiled
def without_repeats(times_us: Int64s, codes: Int64s) -> tuple[Int64s, Int64s]:
    """Return a run int64[R] without the entries that stand in it twice."""
    kept_us, kept = np.empty_like(times_us), np.empty_like(codes)
    size = 0
    for i in range(len(codes)):
        if i == 0 or codes[i] != codes[i - 1] or times_us[i] != times_us[i - 1]:
            kept_us[size], kept[size] = times_us[i], codes[i]
            size += 1
    return kept_us[:size].copy(), kept[:size].copy()


@compiled
def merged(
    a_us: Int64s, a_codes: Int64s, b_us: Int64s, b_codes: Int64s, rows: Int64s, place: int
) -> tuple[Int64s, Int64s]:
    """Merge two runs int64[R] and int64[S]; what rows int64[K, A] no longer say is dropped."""
    times_us = np.empty(len(a_us) + len(b_us), dtype=np.int64)
    codes = np.empty(len(times_us), dtype=np.int64)
    i = j = size = 0
    while i < len(a_us) or j < len(b_us):
        if j == len(b_us):
            takes_a = True
        elif i == len(a_us):
            takes_a = False
        else:
            takes_a = a_us[i] < b_us[j] or (a_us[i] == b_us[j] and a_codes[i] >= b_codes[j])
        if takes_a:
            time_us, code = a_us[i], a_codes[i]
            i += 1
        else:
            time_us, code = b_us[j], b_codes[j]
            j += 1
        is_repeat = size > 0 and codes[size - 1] == code and times_us[size - 1] == time_us
        if rows[code, place] == time_us and not is_repeat:
            times_us[size], codes[size] = time_us, code
            size += 1
    return times_us[:size].copy(), codes[:size].copy()


@compiled
def newest_of(
    times_us: Int64s, codes: Int64s, rows: Int64s, place: int, after_us: int, upto_us: int, n: int
) -> Int64s:
    """Return the last n codes of a run with a moment in (after, upto] that rows still say, last first."""
    found = np.empty(n, dtype=np.int64)
    size = 0
    i = np.searchsorted(times_us, upto_us, side="right") - 1
    while i >= 0 and size < n and times_us[i] > after_us:
        if rows[codes[i], place] == times_us[i]:
            found[size] = codes[i]
            size += 1
        i -= 1
    return found[:size]
