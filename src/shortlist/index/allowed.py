"""Which items a search may return, as the bits that every index reads.

I items, K of them allowed.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray


class Allowed:
    """A set of items; make it once and search with it often: what is counted is kept.

    Args:
        bits: uint8 [ceil(I / 8)]; the lowest bit of the first byte is item 0. Items beyond are not allowed.
    """

    def __init__(self, bits: NDArray[np.uint8]) -> None:
        self.bits: NDArray[np.uint8] = np.ascontiguousarray(bits, np.uint8)
        self._below: dict[int, Allowed] = {}

    @classmethod
    def of(cls, mask: NDArray[np.bool_]) -> Allowed:
        """Pack a mask bool [I]."""
        return cls(np.packbits(mask, bitorder="little"))

    @cached_property
    def num_items(self) -> int:
        """K, how many are allowed."""
        return int(np.bitwise_count(self.bits).sum())

    @cached_property
    def items(self) -> NDArray[np.int64]:
        """The allowed items, int64 [K], ascending."""
        return np.flatnonzero(self.mask)

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """Which items are allowed, bool [8 ceil(I / 8)]."""
        return np.unpackbits(self.bits, bitorder="little").view(np.bool_)

    def below(self, num_items: int) -> Allowed:
        """Return the allowed ones of items 0..num_items-1, in as many bits; made once."""
        if num_items not in self._below:
            bits = np.zeros((num_items + 7) // 8, np.uint8)
            known = self.bits[: len(bits)]
            bits[: len(known)] = known
            if num_items % 8 and len(bits):
                bits[-1] &= (1 << num_items % 8) - 1
            self._below[num_items] = Allowed(bits)
        return self._below[num_items]

    def has(self, items: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which of some items, numbers from 0, are allowed."""
        bytes_with_none = np.append(self.bits, np.uint8(0))
        byte = bytes_with_none[np.minimum(items >> 3, len(self.bits))]
        return np.asarray((byte >> (items & 7).astype(np.uint8)) & 1, np.bool_)

    def __and__(self, other: Allowed) -> Allowed:
        """Return what both allow."""
        length = min(len(self.bits), len(other.bits))
        return Allowed(self.bits[:length] & other.bits[:length])
