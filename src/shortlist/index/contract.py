"""What a vector index is: it holds item vectors and finds those with the greatest inner product.

B queries, I items, D width, n wanted.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from shortlist.index.allowed import Allowed
from shortlist.index.report import IndexReport

Found = tuple[NDArray[np.int32], NDArray[np.float32]]
"""Items int32 [B, n], best first and -1 after the last one found, and their products float32 [B, n]."""


class VectorIndex(ABC):
    """Items that lie D wide. Any number of threads may search at once.

    What a user had already is left out by asking for as many more and dropping them: that is exact, and
    quicker than a bitmap made for one request. `allowed` is for conditions that many requests share.
    """

    width: int

    @abstractmethod
    def search(self, queries: NDArray[np.float32], n: int, allowed: Allowed | None = None) -> Found:
        """Find the n items with the greatest inner product for each query; of equal ones the lower first.

        Args:
            queries: float32 [B, D].
            n: how many.
            allowed: which items may be found; None for all of them.

        Returns:
            Items and products. Fewer than n are found only where fewer are allowed.
        """


class StoredIndex(VectorIndex):
    """The vectors of items 0..I-1, with a form on disk; `kind` is the name of its file.

    `vectors` float32 [I, D] are as they were given; `report` says what was measured when the index was
    chosen, and is None for one that was not.
    """

    kind: ClassVar[str]
    vectors: NDArray[np.float32]
    report: IndexReport | None

    @property
    def num_items(self) -> int:
        """How many items there are."""
        return len(self.vectors)

    @property
    def name(self) -> str:
        """What kind of index it is, with how vectors are stored in it."""
        return self.kind

    @property
    @abstractmethod
    def num_bytes(self) -> int:
        """How many bytes searches go through, and so what memory must hold for them to be quick."""

    def scores(self, queries: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the inner products of queries float32 [B, D] with all items, float32 [B, I]; exact."""
        return np.asarray(queries, np.float32) @ self.vectors.T

    @abstractmethod
    def with_report(self, report: IndexReport) -> Self:
        """Return the same index, with what was measured of it."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the index's files into an existing folder; their names begin with `index`."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Self:
        """Map what `save` wrote.

        Raises:
            ArrayFileError: when a file is missing, damaged, or of another kind of index.
        """
