"""The kernels of `EntityTable`: the attributes of some ids, each id's side by side in memory.

N ids asked, K rows, A attributes, G attributes gathered.
"""

from __future__ import annotations

from shortlist.compiled import compiled
from shortlist.features.kernels.arrays import Int64s
from shortlist.prefetch import prefetch


@compiled
def gather(rows: Int64s, nulls: Int64s, codes: Int64s, attributes: Int64s, out: Int64s) -> None:
    """Fill out int64[G, N] from rows int64[K, A]; nulls for a code without a row."""
    for n in range(codes.shape[0] if attributes.shape[0] > 0 else 0):
        prefetch(rows, codes[n] * rows.shape[1])
        prefetch(rows, codes[n] * rows.shape[1] + rows.shape[1] - 1)
    for n in range(codes.shape[0]):
        code = codes[n]
        if 0 <= code < rows.shape[0]:
            for g in range(attributes.shape[0]):
                out[g, n] = rows[code, attributes[g]]
        else:
            for g in range(attributes.shape[0]):
                out[g, n] = nulls[attributes[g]]


@compiled
def copy_rows(rows: Int64s, nulls: Int64s, larger: Int64s) -> None:
    """Fill larger with rows int64[K, A] and below them nulls int64[A]; it takes no interpreter's time."""
    for row in range(larger.shape[0]):
        for a in range(nulls.shape[0]):
            larger[row, a] = rows[row, a] if row < rows.shape[0] else nulls[a]
