"""The exact index: every item is looked at. Nothing is quicker for a catalogue of some ten thousands.

B queries, I items, D width, n wanted.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from shortlist.arrays import ArrayFileError, frozen, read_array, write_array
from shortlist.index.contract import VectorIndex
from shortlist.index.top import top_n

_QUERIES_AT_ONCE = 256  # the products of so many queries are held in memory


class ExactIndex(VectorIndex):
    """Vectors float32 [I, D], searched one and all."""

    kind: ClassVar[str] = "exact"

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        self.vectors: NDArray[np.float32] = frozen(np.asarray(vectors, np.float32))
        self.num_items, self.width = self.vectors.shape

    def search(self, queries: NDArray[np.float32], n: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Find the n items with the greatest inner product; equal products by item."""
        parts = [
            top_n(self.scores(queries[start : start + _QUERIES_AT_ONCE]), n)
            for start in range(0, max(len(queries), 1), _QUERIES_AT_ONCE)
        ]
        return np.concatenate([items for items, _ in parts]), np.concatenate([best for _, best in parts])

    def scores(self, queries: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return all inner products, float32 [B, I]."""
        return np.asarray(queries, np.float32) @ self.vectors.T

    def save(self, folder: Path) -> None:
        """Write `index_vectors.npy`."""
        write_array(folder, "index_vectors", self.vectors)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Map what `save` wrote."""
        vectors = read_array(folder, "index_vectors", np.float32, (None, None))
        if not np.isfinite(vectors).all():
            raise ArrayFileError(f"{folder / 'index_vectors.npy'}: expected finite vectors.")
        return cls(vectors)
