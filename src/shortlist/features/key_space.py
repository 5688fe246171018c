"""Key spaces: what features are kept by, as dense slot numbers.

Shape legend: N rows.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from shortlist.declare.entities import Entity
from shortlist.declare.expressions import Attribute
from shortlist.declare.features import Key
from shortlist.features.kernels.key_index import PairIndex

PartCodes = Callable[[Entity | Attribute], np.ndarray]
"""Gives the codes int64[N] or [1] of a part of a key; -1 where it is null or unknown."""


class KeySpace:
    """Numbers the values of a key: none (one slot), a single part (its own code), or a pair."""

    def __init__(self, key: Key) -> None:
        self.key = key
        self.pairs = PairIndex() if len(key) == 2 else None
        self._size = 0 if key else 1

    def __len__(self) -> int:
        """Return a bound above every slot handed out."""
        return self._size

    def restore(self, size: int, pairs: PairIndex | None) -> None:
        """Take over the numbering of a snapshot."""
        self._size, self.pairs = size, pairs

    def insert(self, codes_of: PartCodes, num_rows: int) -> np.ndarray:
        """Return the slots int64[N] of rows that are being folded, numbering new pairs."""
        slots = self._slots(codes_of, num_rows, insert=True)
        if len(slots):
            self._size = max(self._size, int(slots.max()) + 1)
        return slots

    def find(self, codes_of: PartCodes, num_rows: int) -> np.ndarray:
        """Return the slots int64[N] (or [1], when no part differs by row) of a request; -1 if none."""
        return self._slots(codes_of, num_rows, insert=False)

    def _slots(self, codes_of: PartCodes, num_rows: int, *, insert: bool) -> np.ndarray:
        if not self.key:
            return np.zeros(num_rows if insert else 1, np.int64)
        parts = [codes_of(part).astype(np.int64, copy=False) for part in self.key]
        if self.pairs is None:
            return parts[0]
        shape = np.broadcast_shapes(*(part.shape for part in parts))
        first, second = (np.array(np.broadcast_to(part, shape)) for part in parts)
        return self.pairs.insert(first, second) if insert else self.pairs.find(first, second)
