"""Items like an item, from the co-visits that a release learned.

I items of the release, S items of the state.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shortlist.models.co_visitation import FittedCoVisitation


class SimilarItems:
    """The neighbours of items, by the codes of this process's state.

    Args:
        model: the fitted neighbours; it numbers items 0..I-1.
        item_ids: the ids of these items.
        item_codes: int64 [I], their codes in the state, -1 where it has never seen them.
    """

    def __init__(self, model: FittedCoVisitation, item_ids: Sequence[str], item_codes: np.ndarray) -> None:
        self._model, self._item_ids = model, item_ids
        self._number_of_code_S = np.full(int(item_codes.max(initial=-1)) + 1, -1, np.int64)
        known = item_codes >= 0
        self._number_of_code_S[item_codes[known]] = np.flatnonzero(known)

    def of(self, code: int, n: int) -> list[tuple[str, float]]:
        """Return the ids of at most n neighbours and their scores, best first; none for a new item."""
        if not 0 <= code < len(self._number_of_code_S) or self._number_of_code_S[code] < 0:
            return []
        numbers, scores = self._model.similar(int(self._number_of_code_S[code]), n)
        ids = [self._item_ids[number] for number in numbers.tolist()]
        return list(zip(ids, scores.tolist(), strict=True))
