"""What item-to-item models share once they are fitted: rows of neighbours, summed over a history.

B users asked for, I items, L history, n wanted.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shortlist.features.kernels.arrays import as_int64
from shortlist.index.allowed import Allowed
from shortlist.models.errors import ModelFileError
from shortlist.models.files import read_description, write_description
from shortlist.models.neighbours.lists import NeighbourLists
from shortlist.models.retrieval import NO_ITEM, FittedRetrieval, UserBatch

_ALL = np.empty(0, np.uint8)
_USUAL = 1000  # items of a history at most


class NeighbourSums(FittedRetrieval):
    """The neighbours of each item.

    Args:
        lists: of items 0..I-1; a score is below 0 where one item speaks against another.
        gap_half_life: how fast a history's older items count less, in places.
    """

    def __init__(self, lists: NeighbourLists, gap_half_life: float) -> None:
        self.lists = lists
        self.gap_half_life = gap_half_life
        self.num_items = len(lists)
        self._recency = _recency(_USUAL, gap_half_life)

    def score_history(
        self, items: NDArray[np.int32], n: int, allowed: Allowed | None = None
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return at most n items near a history and their scores, best first.

        A score is the sum over the history of recency times similarity, where the newest item has recency 1
        and each place further back 2^(-1 / gap_half_life). Items of the history itself may be among the
        answers: to drop them is a filter's choice, so ask for as many more as may be dropped.

        Args:
            items: int [L], newest first; items the model does not know are passed over.
            n: how many to return at most.
            allowed: which items may be returned; None for all of them.
        """
        best_items, best_scores = np.empty(max(n, 0), np.int32), np.empty(max(n, 0), np.float32)
        num_found = self._fill(items, allowed, best_items, best_scores)
        return best_items[:num_found], best_scores[:num_found]

    def scores(self, users: UserBatch) -> NDArray[np.float32]:
        """Score every item near each history; the others have 0."""
        scores_BI = np.zeros((len(users), self.num_items), np.float32)
        for scores_I, history_L in zip(scores_BI, users.history, strict=True):
            items, best = self.score_history(history_L, self.num_items)
            scores_I[items] = best
        return scores_BI

    def retrieve(
        self, users: UserBatch, n: int, allowed: Allowed | None = None
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the n items nearest to each history; none that is not near, or that it speaks against."""
        shape = (len(users), max(n, 0))
        items_BN, scores_BN = np.full(shape, NO_ITEM, np.int32), np.zeros(shape, np.float32)
        for items_N, scores_N, history_L in zip(items_BN, scores_BN, users.history, strict=True):
            num_found = self._fill(history_L, allowed, items_N, scores_N)
            if num_found and not scores_N[num_found - 1] > 0:
                is_far = slice(np.count_nonzero(scores_N[:num_found] > 0), num_found)
                items_N[is_far], scores_N[is_far] = NO_ITEM, 0.0
        return items_BN, scores_BN

    def _fill(
        self,
        history_L: NDArray[np.int32],
        allowed: Allowed | None,
        best_items: NDArray[np.int32],
        best_scores: NDArray[np.float32],
    ) -> int:
        """Write the items near a history and their scores, best first, as many as there is room for."""
        from shortlist.models.neighbours.co_visits import sum_over_history  # compiled: heavy to import

        if len(history_L) > len(self._recency):
            self._recency = _recency(len(history_L), self.gap_half_life)
        return sum_over_history(
            as_int64(history_L),
            self._recency,
            self.lists.starts,
            self.lists.items,
            self.lists.scores,
            _ALL if allowed is None else allowed.below(self.num_items).bits,
            best_items,
            best_scores,
        )

    def save(self, folder: Path) -> None:
        """Write `model.json` and the lists."""
        write_description(folder, self.kind, gap_half_life=self.gap_half_life)
        self.lists.save(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Map what `save` wrote; raises `ModelFileError` when it is damaged."""
        half_life = read_description(folder, cls.kind, gap_half_life=(int, float))["gap_half_life"]
        if not half_life > 0:
            raise ModelFileError(f"{folder}: expected a positive half-life, received {half_life}.")
        return cls(NeighbourLists.load(folder), half_life)


def _recency(length: int, half_life: float) -> NDArray[np.float64]:
    return np.exp2(-np.arange(length) / half_life)
