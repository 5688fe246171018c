"""What a vector index is: it holds item vectors and finds those with the greatest inner product.

B queries, I items, D width, n wanted.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray


class VectorIndex(ABC):
    """The vectors of items 0..I-1; `kind` is the name of its file."""

    kind: ClassVar[str]
    num_items: int
    width: int

    @abstractmethod
    def search(self, queries: NDArray[np.float32], n: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Find the n items with the greatest inner product for each query float32 [B, D].

        Returns:
            Items int32 [B, n], best first and -1 after the last one found, and products float32 [B, n].
        """

    @abstractmethod
    def scores(self, queries: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the inner products of queries float32 [B, D] with all items, float32 [B, I]."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the index's files into an existing folder; their names begin with `index`."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Self:
        """Map what `save` wrote.

        Raises:
            ArrayFileError: when a file is missing or damaged.
        """
