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
from shortlist.features.values import Values

PartCodes = Callable[[Entity | Attribute], np.ndarray]
"""Gives the codes int64[N] or [1] of a part of a key; -1 where it is null or unknown."""


class KeySpace:
    """Numbers the values of a key: none (one slot), a single part (its own code), or a pair."""

    def __init__(self, key: Key) -> None:
        self.key = key
        self.pairs = PairIndex() if len(key) == 2 else None

    def parts(self, codes_of: PartCodes, num_rows: int) -> list[np.ndarray]:
        """Return the parts int64[N] of the keys of rows that are being folded, for `insert`."""
        return self._parts(codes_of) if self.key else [np.zeros(num_rows, np.int64)]

    def insert(self, parts: list[np.ndarray]) -> np.ndarray:
        """Return the slots int64[N] of rows that are being folded, numbering new pairs."""
        return parts[0] if self.pairs is None else self.pairs.insert(*parts)

    def find(self, codes_of: PartCodes) -> np.ndarray:
        """Return the slots of requests, -1 where there is none: int64[N], or [1] when no part differs."""
        if not self.key:
            return np.zeros(1, np.int64)
        parts = self._parts(codes_of)
        return parts[0] if self.pairs is None else self.pairs.find(*parts)

    def _parts(self, codes_of: PartCodes) -> list[np.ndarray]:
        parts = [codes_of(part).astype(np.int64, copy=False) for part in self.key]
        if len(parts) == 1 or len(parts[0]) == len(parts[1]):
            return parts
        shape = np.broadcast_shapes(*(part.shape for part in parts))
        return [np.array(np.broadcast_to(part, shape)) for part in parts]


def key_text(key: Key) -> str:
    """Name a key, the same for equal keys."""
    return ", ".join(str(part) for part in key)


def key_codes(values: Values) -> np.ndarray:
    """Return the codes int64[N] of a key's attribute: text by its vocabulary, a condition as 0 and 1."""
    return np.where(values.known, values.values.astype(np.int64), -1)
