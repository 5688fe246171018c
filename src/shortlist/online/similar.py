"""Items like an item, from the co-visits that a release learned.

I items of the release.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shortlist.models.co_visitation import FittedCoVisitation
from shortlist.stages.near_history import numbers_in, numbers_of_codes


class SimilarItems:
    """The neighbours of items, by the codes of this process's state.

    Args:
        model: the fitted neighbours; it numbers items 0..I-1.
        item_ids: the ids of these items.
        item_codes: int64 [I], their codes in the state, -1 where it has never seen them.
    """

    def __init__(self, model: FittedCoVisitation, item_ids: Sequence[str], item_codes: np.ndarray) -> None:
        self._model, self._item_ids = model, item_ids
        self._number_of_code = numbers_of_codes(item_codes)

    def of(self, code: int, n: int) -> list[tuple[str, float]]:
        """Return the ids of at most n neighbours and their scores, best first; none for a new item."""
        number = int(numbers_in(self._number_of_code, np.array([code]))[0]) if code >= 0 else -1
        if number < 0:
            return []
        numbers, scores = self._model.similar(number, n)
        ids = [self._item_ids[number] for number in numbers.tolist()]
        return list(zip(ids, scores.tolist(), strict=True))
