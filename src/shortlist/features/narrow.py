"""Whole numbers on disk in as few bytes as the greatest of each column needs, and back.

N rows, C columns.
"""

from __future__ import annotations

import numpy as np

_TYPES = (np.dtype(np.int8), np.dtype(np.int16), np.dtype(np.int32))


def narrowed(array: np.ndarray) -> np.ndarray:
    """Return int64 [N] in the narrowest type that holds it, int64 [N, C] as records [N] of such columns.

    Any other array comes back as it is.
    """
    if array.dtype != np.int64 or array.size == 0:
        return array
    if array.ndim == 1:
        return array.astype(_narrowest(array))
    assert array.ndim == 2
    types = [(str(column), _narrowest(array[:, column])) for column in range(array.shape[1])]
    records = np.empty(len(array), types)
    for column, (name, _) in enumerate(types):
        records[name] = array[:, column]
    return records


def widened(array: np.ndarray) -> np.ndarray:
    """Return what was narrowed: signed whole numbers as int64, records as int64 [N, C]."""
    names = array.dtype.names
    if names is None:
        return array.astype(np.int64, copy=False) if array.dtype.kind == "i" else array
    wide = np.empty((len(array), len(names)), np.int64)
    for column, name in enumerate(names):
        wide[:, column] = array[name]
    return wide


def _narrowest(column: np.ndarray) -> np.dtype[np.signedinteger]:
    least, greatest = int(column.min()), int(column.max())
    for type_ in _TYPES:
        bounds = np.iinfo(type_)
        if bounds.min <= least and greatest <= bounds.max:
            return type_
    return np.dtype(np.int64)
