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
    """Numbers the values of a key: none (one slot), a single part (its own code), or a pair.

    `pairs` numbers those of a pair; None of any other key.
    """

    def __init__(self, key: Key) -> None:
        self.key = key
        self.pairs = PairIndex() if len(key) == 2 else None

    def find(self, codes_of: PartCodes) -> np.ndarray:
        """Return the slots of requests, -1 where there is none: int64[N], or [1] when no part differs."""
        if not self.key:
            return np.zeros(1, np.int64)
        parts = [codes_of(part).astype(np.int64, copy=False) for part in self.key]
        if self.pairs is None:
            return parts[0]
        if len(parts[0]) != len(parts[1]):
            shape = np.broadcast_shapes(*(part.shape for part in parts))
            parts = [np.array(np.broadcast_to(part, shape)) for part in parts]
        return self.pairs.find(*parts)


def key_text(key: Key) -> str:
    """Name a key, the same for equal keys."""
    return ", ".join(str(part) for part in key)


def key_codes(values: Values) -> np.ndarray:
    """Return the codes int64[N] of a key's attribute: text by its vocabulary, a condition as 0 and 1."""
    return np.where(values.known, values.values.astype(np.int64), -1)
