"""The one array type that the kernels take, so that each kernel is compiled once and only once."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Int64s: TypeAlias = npt.NDArray[np.int64]
Int32s: TypeAlias = npt.NDArray[np.int32]

_INT64 = np.dtype(np.int64)
_LARGE = 1 << 14


def as_int64(array: Any) -> Int64s:
    """Return the array as the kernels want it: int64, C-contiguous, writeable.

    Numba compiles a kernel anew for every mix of layouts and read-only flags (seconds, in the middle
    of a request), so anything else is copied here first. An array that already fits is not copied.
    """
    if type(array) is np.ndarray and array.dtype is _INT64 and array.flags.carray:
        return array
    fitting = np.ascontiguousarray(array, dtype=np.int64)
    return fitting if fitting.flags.writeable else fitting.copy()


def is_nearly_full(num_rows: int, capacity: int) -> bool:
    """Tell whether so many rows leave little of a large array: growing that takes a while."""
    return capacity > _LARGE and num_rows > capacity - capacity // 8


def with_headroom(array: Int64s) -> Int64s:
    """Return a copy with a quarter more rows; new rows are zero."""
    larger = np.zeros((len(array) * 5 // 4, *array.shape[1:]), dtype=np.int64)
    larger[: len(array)] = array
    return larger


def grown(array: Int64s, num_rows: int) -> Int64s:
    """Return a copy with `num_rows` rows or half as many again, whichever is more; new rows are zero."""
    larger = np.zeros((max(num_rows, len(array) * 3 // 2), *array.shape[1:]), dtype=np.int64)
    larger[: len(array)] = array
    return larger
