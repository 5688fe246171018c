"""The exact index: every item is looked at. Nothing is quicker for a catalogue of some ten thousands.

B queries, I items, D width, n wanted, K allowed.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from shortlist.arrays import ArrayFileError, frozen, read_array, write_array
from shortlist.index.allowed import Allowed
from shortlist.index.contract import Found, StoredIndex
from shortlist.index.report import Description, IndexReport, read_description, write_description
from shortlist.index.top import top_n, top_n_of

VECTORS = "index_vectors"

_PRODUCTS_AT_ONCE = 1 << 26  # so many are held in memory
_WORTH_GATHERING = 8  # a row that is gathered costs as much as so many in their order, measured at 1M x 64
_ROWS_AT_ONCE = 1 << 16


class ExactIndex(StoredIndex):
    """Vectors float32 [I, D], searched one and all, or those alone that are allowed."""

    kind: ClassVar[str] = "exact"

    def __init__(self, vectors: NDArray[np.float32], report: IndexReport | None = None) -> None:
        self.vectors = frozen(np.asarray(vectors, np.float32))
        self.width = self.vectors.shape[1]
        self.report = report

    @property
    def num_bytes(self) -> int:
        """All of the vectors."""
        return self.vectors.nbytes

    def search(self, queries: NDArray[np.float32], n: int, allowed: Allowed | None = None) -> Found:
        """Find the n allowed items with the greatest inner product; see `VectorIndex.search`."""
        allowed = None if allowed is None else allowed.below(self.num_items)
        at_once = max(1, _PRODUCTS_AT_ONCE // max(self.num_items, 1))
        parts = [
            self._search(queries[start : start + at_once], n, allowed)
            for start in range(0, max(len(queries), 1), at_once)
        ]
        if len(parts) == 1:
            return parts[0]
        return np.concatenate([items for items, _ in parts]), np.concatenate([best for _, best in parts])

    def _search(self, queries_BD: NDArray[np.float32], n: int, allowed: Allowed | None) -> Found:
        if allowed is None:
            return top_n(self.scores(queries_BD), n)
        items_K = allowed.items
        if len(items_K) * _WORTH_GATHERING > self.num_items:
            scores_BK = self.scores(queries_BD)[:, items_K]
        else:
            scores_BK = np.asarray(queries_BD, np.float32) @ self.vectors[items_K].T
        return top_n_of(items_K.astype(np.int32), scores_BK, n)

    def with_report(self, report: IndexReport) -> Self:
        """Return the same index, with what was measured of it."""
        return type(self)(self.vectors, report)

    def save(self, folder: Path) -> None:
        """Write `index.json` and `index_vectors.npy`."""
        write_description(folder, Description(kind=self.kind, report=self.report))
        write_array(folder, VECTORS, self.vectors)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Map what `save` wrote."""
        description = read_description(folder, cls.kind)
        return cls(read_vectors(folder), description.report)


def read_vectors(folder: Path) -> NDArray[np.float32]:
    """Map the vectors that every index keeps.

    Raises:
        ArrayFileError: when they are missing, damaged, or not finite.
    """
    vectors: NDArray[np.float32] = read_array(folder, VECTORS, np.float32, (None, None))
    for start in range(0, len(vectors), _ROWS_AT_ONCE):
        if not np.isfinite(vectors[start : start + _ROWS_AT_ONCE]).all():
            raise ArrayFileError(f"{folder / VECTORS}.npy: expected finite vectors.")
    return vectors
