"""The neighbours of items as rows of unequal length, end to end: an item without any costs eight bytes.

I items, R of them in a row, M neighbours at most of one, E neighbours of all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from shortlist.models.errors import ModelFileError
from shortlist.models.files import frozen, read_array, write_array


class Block(NamedTuple):
    """The rows of R items: how many neighbours each has, int64 [R]; then all of them, and their scores."""

    counts: NDArray[np.int64]
    items: NDArray[np.int32]
    scores: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class NeighbourLists:
    """The neighbours of each item; those of item i lie at starts[i] to starts[i + 1] - 1.

    Attributes:
        starts: int64 [I + 1], from 0 to E.
        items: int32 [E].
        scores: float32 [E].
    """

    starts: NDArray[np.int64]
    items: NDArray[np.int32]
    scores: NDArray[np.float32]

    @classmethod
    def joined(cls, blocks: Sequence[Block]) -> Self:
        """Put the rows of blocks end to end: those of the first items, of the next, and so on."""
        counts_I = np.concatenate([np.zeros(1, np.int64), *(block.counts for block in blocks)])
        items = np.concatenate([np.empty(0, np.int32), *(block.items for block in blocks)])
        scores = np.concatenate([np.empty(0, np.float32), *(block.scores for block in blocks)])
        return cls(frozen(np.cumsum(counts_I)), frozen(items), frozen(scores))

    def __len__(self) -> int:
        return len(self.starts) - 1

    def of(self, item: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the neighbours of an item 0..I-1 and their scores, as they stand."""
        row = slice(self.starts[item], self.starts[item + 1])
        return self.items[row], self.scores[row]

    def save(self, folder: Path) -> None:
        """Write `starts.npy`, `neighbours.npy` and `similarity.npy`."""
        write_array(folder, "starts", self.starts)
        write_array(folder, "neighbours", self.items)
        write_array(folder, "similarity", self.scores)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Map what `save` wrote: every number is read once, none is copied.

        Raises:
            ModelFileError: when a file is missing or damaged, the rows do not fill the lists, a neighbour is
                no item, or a score is not finite.
        """
        starts = read_array(folder, "starts", np.int64, (None,))
        items = read_array(folder, "neighbours", np.int32, (None,))
        scores = read_array(folder, "similarity", np.float32, items.shape)
        in_order = len(starts) > 0 and starts[0] == 0 and starts[-1] == len(items)
        if not (in_order and (starts[1:] >= starts[:-1]).all()):
            raise ModelFileError(f"{folder}: expected starts that rise from 0 to {len(items)}.")
        num_items = len(starts) - 1
        if len(items) and not (items.min() >= 0 and items.max() < num_items):
            raise ModelFileError(f"{folder}: expected neighbours 0..{num_items - 1}.")
        # The least and the greatest of numbers are finite when all are: NaN would be both.
        if len(scores) and not (np.isfinite(scores.min()) and np.isfinite(scores.max())):
            raise ModelFileError(f"{folder}: expected finite scores.")
        return cls(starts, items, scores)


def trimmed(neighbours_RM: NDArray[np.int32], scores_RM: NDArray[np.float32]) -> Block:
    """Leave out of rows int [R, M] what is free in them, where the neighbour is -1."""
    is_kept_RM = neighbours_RM >= 0
    return Block(is_kept_RM.sum(axis=1, dtype=np.int64), neighbours_RM[is_kept_RM], scores_RM[is_kept_RM])
