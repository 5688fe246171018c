"""An index that changes while it is searched: a release's, and beside it what came since, searched exactly.

A release's index is never written to. Items that came or changed since lie in a table beside it, and those
that were replaced or went away are not allowed in it any more. The next release takes them in: until then
every search looks at all of the table.

B queries, I items of the release, M items changed, J of the table, D width, n wanted.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.index.allowed import Allowed
from shortlist.index.contract import Found, StoredIndex, VectorIndex
from shortlist.index.top import top_n_of

_NO_ITEMS = np.empty(0, np.int32)


@dataclass(frozen=True)
class _Delta:
    """What differs from the release at one moment; never changed."""

    items: NDArray[np.int32]  # increasing, so that equal products have one order
    vectors: NDArray[np.float32]
    still: Allowed | None  # the release's items that are neither replaced nor gone; None while all are there


class LiveIndex(VectorIndex):
    """A stored index with changes. One thread at a time changes it, any number search it meanwhile.

    A search sees all of a change or nothing of it; one that begins after `change` has returned sees it.

    Args:
        index: the release's; its items are 0..I-1, those that come may have any number from 0.
    """

    def __init__(self, index: StoredIndex) -> None:
        self._index, self.width = index, index.width
        self._lock = threading.Lock()
        # The table lies at the beginning of these; the room behind it doubles when it is used up.
        self._items, self._vectors = _NO_ITEMS, np.empty((0, index.width), np.float32)
        self._delta = _Delta(self._items, self._vectors, None)

    def search(self, queries: NDArray[np.float32], n: int, allowed: Allowed | None = None) -> Found:
        """Find the n items with the greatest inner product; see `VectorIndex.search`."""
        delta = self._delta
        of_release = allowed if delta.still is None else delta.still
        if allowed is not None and delta.still is not None:
            of_release = allowed & delta.still
        items_Bn, products_Bn = self._index.search(queries, n, of_release)
        if len(delta.items) == 0:
            return items_Bn, products_Bn
        scores_BJ = np.asarray(queries, np.float32) @ delta.vectors.T
        items = delta.items
        if allowed is not None:
            is_allowed_J = allowed.has(items.astype(np.int64))
            items, scores_BJ = items[is_allowed_J], scores_BJ[:, is_allowed_J]
        new_items_Bn, new_Bn = top_n_of(items, scores_BJ, min(n, len(items)))
        return _merged(
            np.concatenate([items_Bn, new_items_Bn], axis=1), np.concatenate([products_Bn, new_Bn], axis=1), n
        )

    def change(
        self,
        items: NDArray[np.int32],
        vectors: NDArray[np.float32],
        removed: NDArray[np.int32] = _NO_ITEMS,
    ) -> None:
        """Add or replace some items, and take others away.

        Args:
            items: int32 [M], each once, from 0.
            vectors: float32 [M, D], finite.
            removed: int32, none of `items`; those that are not there are passed over.
        """
        with self._lock:
            delta, changed = self._delta, np.concatenate([items, removed])
            is_left = ~np.isin(delta.items, changed)
            order = np.argsort(items)
            items, vectors = items[order], np.asarray(vectors, np.float32)[order]
            num_left = len(delta.items)
            if is_left.all() and (num_left == 0 or len(items) == 0 or items[0] > delta.items[-1]):
                self._append(num_left, items, vectors)
            else:
                items = np.concatenate([delta.items[is_left], items])
                order, num_left = np.argsort(items), 0
                # Not in their place: who searches the old table now must find it as it was.
                self._items = items[order]
                self._vectors = np.concatenate([delta.vectors[is_left], vectors])[order]
            num_all = num_left + len(items)
            still = self._still(delta.still, changed)
            self._delta = _Delta(self._items[:num_all], self._vectors[:num_all], still)

    def _still(self, still: Allowed | None, changed: NDArray[np.int32]) -> Allowed | None:
        gone = changed[changed < self._index.num_items]
        if len(gone) == 0:
            return still
        if still is None:
            still = Allowed.of(np.ones(self._index.num_items, np.bool_))
        bits = still.bits.copy()
        np.bitwise_and.at(bits, gone >> 3, ~(np.uint8(1) << (gone & 7).astype(np.uint8)))
        return Allowed(bits)

    def _append(self, num_left: int, items: NDArray[np.int32], vectors: NDArray[np.float32]) -> None:
        end = num_left + len(items)
        if end > len(self._items):
            room = max(2 * num_left, end) - num_left
            spare = np.empty((room, self.width), np.float32)
            self._items = np.concatenate([self._items[:num_left], np.empty(room, np.int32)])
            self._vectors = np.concatenate([self._vectors[:num_left], spare])
        self._items[num_left:end], self._vectors[num_left:end] = items, vectors


def _merged(items_BM: NDArray[np.int32], products_BM: NDArray[np.float32], n: int) -> Found:
    """Return the n best of each row, by product and then item; -1 is none."""
    items_Bn = np.full((len(items_BM), n), -1, np.int32)
    products_Bn = np.zeros((len(items_BM), n), np.float32)
    for row, (items_M, products_M) in enumerate(zip(items_BM, products_BM, strict=True)):
        there = np.flatnonzero(items_M >= 0)
        best = there[np.lexsort((items_M[there], -products_M[there]))][:n]
        items_Bn[row, : len(best)], products_Bn[row, : len(best)] = items_M[best], products_M[best]
    return items_Bn, products_Bn
