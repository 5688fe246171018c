"""Arrays by their address: however many, they are one argument of one type, and no kernel is compiled anew.

    table  int64[A, 3]  of each array: address, rows, columns (1 of a vector)

Whoever passes a table holds the arrays, and has noticed when one of them took the place of another.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray, types
from numba.extending import intrinsic

from shortlist.compiled import compiled
from shortlist.features.kernels.arrays import Int64s

ADDRESS, ROWS, COLUMNS = 0, 1, 2


class ArrayTable:
    """Where C-contiguous int64 arrays lie.

    Args:
        size: A, how many there are.
    """

    def __init__(self, size: int) -> None:
        self.rows = np.zeros((size, 3), dtype=np.int64)
        self.arrays: list[Int64s | None] = [None] * size

    def put(self, place: int, *arrays: Int64s) -> None:
        """Put arrays at a place and those after it."""
        for number, array in enumerate(arrays, place):
            assert array.dtype == np.int64
            assert array.flags.carray
            self.arrays[number] = array
            self.rows[number] = array.ctypes.data, len(array), array.size // max(len(array), 1)


def _pointer(typing: Any, address: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return types.CPointer(types.int64)(types.int64), generate


_at: Any = intrinsic(_pointer)


@compiled
def vector(table: Int64s, place: int) -> Int64s:
    """Return the array int64[R] at a place."""
    found: Int64s = carray(_at(table[place, ADDRESS]), table[place, ROWS])
    return found


@compiled
def matrix(table: Int64s, place: int) -> Int64s:
    """Return the array int64[R, C] at a place."""
    found: Int64s = carray(_at(table[place, ADDRESS]), (table[place, ROWS], table[place, COLUMNS]))
    return found
