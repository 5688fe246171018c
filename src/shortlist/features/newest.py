"""Ids by a moment of theirs, newest first, kept in order as updates come.

A few sorted runs, each at least `_RATIO` times as long as the next: an update adds a short run, and `merge`
merges those that are no longer that much longer (the logarithmic method of J. L. Bentley & J. B. Saxe,
"Decomposable searching problems", 1980). An id whose moment changed leaves its old entry behind; a
reader skips it, since it is no longer what the id's row says, and a merge drops it.

Shape legend: N ids updated, R entries of a run, n ids wanted.
"""

from __future__ import annotations

import numpy as np

from shortlist.features.kernels.moments import merged, newest_of, without_repeats
from shortlist.log.columns import NULL_INT

_RATIO = 16


class Newest:
    """The order of one attribute of an `EntityTable`. Runs are replaced, never changed.

    Args:
        place: where the attribute stands in the table's rows int64[ids, attributes].
    """

    def __init__(self, place: int) -> None:
        self._place = place
        # By rising moment, of equal moments the higher code first: backwards it is what is wanted.
        self._runs: tuple[tuple[np.ndarray, np.ndarray], ...] = ()

    def update(self, codes: np.ndarray, before_us: np.ndarray, rows: np.ndarray) -> None:
        """Take in that ids were updated.

        Args:
            codes: int64[N], which; an id may stand there twice.
            before_us: int64[N], their moments until now, NULL_INT for none.
            rows: of the table, from now on.
        """
        now_us = rows[codes, self._place]
        is_moved = (now_us != before_us) & (now_us != NULL_INT)
        if not is_moved.any():
            return
        moved, moved_us = codes[is_moved], now_us[is_moved]
        order = np.lexsort((-moved, moved_us))
        self._runs = (*self._runs, without_repeats(moved_us[order], moved[order]))

    def merge(self, rows: np.ndarray) -> None:
        """Merge runs that are no longer long enough; readers of the old ones are not disturbed.

        Args:
            rows: of the table.
        """
        runs = [*self._runs]
        while len(runs) > 1 and len(runs[-2][0]) < _RATIO * len(runs[-1][0]):
            later, earlier = runs.pop(), runs.pop()
            runs.append(merged(*earlier, *later, rows, self._place))
        self._runs = tuple(runs)

    def within(self, rows: np.ndarray, after_us: int, upto_us: int, n: int) -> np.ndarray:
        """Return the ids with a moment in (after, upto], newest first, of equal moments the lower code first.

        Args:
            rows: of the table.
            after_us: the moment before the first that counts.
            upto_us: the last that counts.
            n: how many at most.

        Returns:
            Codes int64[<= n].
        """
        found = [newest_of(*run, rows, self._place, after_us, upto_us, n) for run in self._runs]
        if len(found) > 1:
            codes = np.unique(np.concatenate(found))
            return codes[np.argsort(-rows[codes, self._place], kind="stable")[:n]]
        return found[0] if found else np.empty(0, np.int64)

    @property
    def nbytes(self) -> int:
        """Bytes of the runs."""
        return sum(moments_us.nbytes + codes.nbytes for moments_us, codes in self._runs)
