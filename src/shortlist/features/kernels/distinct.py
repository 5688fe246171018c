"""Finds the distinct codes, of candidates or a history: what many share is looked up once.

C candidates, U distinct codes.
"""

from __future__ import annotations

import numpy as np

from shortlist.compiled import compiled
from shortlist.features.kernels.arrays import Int64s
from shortlist.features.kernels.key_index import hash_of


@compiled
def distinct(codes: Int64s, found: Int64s, group: Int64s) -> int:
    """Find the distinct codes, in the order in which they are met; return how many there are.

    Args:
        codes: int64[C].
        found: int64[>= C], filled up to U.
        group: int64[C], filled with the place in `found` of each candidate's code.
    """
    num_cells = 16
    while num_cells < 2 * codes.shape[0]:
        num_cells *= 2
    places = np.full(num_cells, -1, dtype=np.int64)
    num_found = 0
    for c in range(codes.shape[0]):
        code = codes[c]
        cell = (hash_of(code, 0) * num_cells) >> 31
        while places[cell] >= 0 and found[places[cell]] != code:
            cell = (cell + 1) & (num_cells - 1)
        if places[cell] < 0:
            places[cell] = num_found
            found[num_found] = code
            num_found += 1
        group[c] = places[cell]
    return num_found
