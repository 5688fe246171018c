"""The kernels of `EntityTable`: the attributes of some ids, each id's side by side in memory.

N ids asked, K rows, A attributes, G attributes gathered.
"""

from __future__ import annotations

import numpy as np

from shortlist.compiled import compiled
from shortlist.features.kernels.arrays import Int64s


@compiled
def gather(rows: Int64s, nulls: Int64s, codes: Int64s, attributes: Int64s, out: Int64s) -> int:
    """Fill out int64[G, N] from rows int64[K, A]; nulls for a code without a row.

    The number returned means nothing: it keeps the first loop alive.
    """
    # Ids are scattered over memory: these reads do not wait for one another, those below would.
    touched = 0
    for n in range(codes.shape[0] if attributes.shape[0] > 0 else 0):
        if 0 <= codes[n] < rows.shape[0]:
            touched ^= rows[codes[n], 0]
    for n in range(codes.shape[0]):
        code = codes[n]
        if 0 <= code < rows.shape[0]:
            for g in range(attributes.shape[0]):
                out[g, n] = rows[code, attributes[g]]
        else:
            for g in range(attributes.shape[0]):
                out[g, n] = nulls[attributes[g]]
    return int(touched)


@compiled
def with_rows(rows: Int64s, nulls: Int64s, num_rows: int) -> Int64s:
    """Return rows int64[K, A] and below them nulls int64[A]; it takes a while, but not the interpreter."""
    larger = np.empty((num_rows, nulls.shape[0]), dtype=np.int64)
    for row in range(num_rows):
        for a in range(nulls.shape[0]):
            larger[row, a] = rows[row, a] if row < rows.shape[0] else nulls[a]
    return larger
