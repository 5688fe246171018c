"""Items that the state knows and a release does not: placed by attributes, searched with the release's.

I items of the release, J new items, A attributes, D width, n wanted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.features.attributes import attribute_rows
from shortlist.features.encoders import Encoding
from shortlist.features.online import OnlineState
from shortlist.index.allowed import Allowed
from shortlist.index.contract import StoredIndex
from shortlist.index.live import LiveIndex
from shortlist.stages.contract import Items, Retrieved

Place = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True)
class _Placed:
    """The new items among the first `num_seen` codes of the state, as of so many updates; never changed."""

    num_seen: int
    num_updates: int
    undescribed: Items  # those that nothing places
    described: Items  # those that lie in the index


class Newcomers:
    """A release's index with the new items in it; any thread may ask, the first to see news places it.

    Only what is new, or was described anew, is placed: the rest is kept from one request to the next. An item
    without any attribute that the encoding reads is not found: nothing places it.

    Args:
        place: from attributes float32 [J, A] to vectors float32 [J, D].
        encoding: of the attributes.
        item_codes: int64 [I], the codes that the release's items have in the state, -1 where they have none.
        index: of the release's items.
    """

    def __init__(self, place: Place, encoding: Encoding, item_codes: Items, index: StoredIndex) -> None:
        self._place, self._encoding = place, encoding
        self._codes_I, self._release = item_codes, np.sort(item_codes)
        self._lock = threading.Lock()
        # A new item is numbered behind the release's, by its code, as in `Query.allowed`: so equal scores
        # have one order.
        self._index, self._num_old = LiveIndex(index), index.num_items
        self._placed = _Placed(0, 0, np.empty(0, np.int64), np.empty(0, np.int64))

    def nearest(
        self, state: OnlineState, user_D: NDArray[np.float32], n: int, allowed: Allowed | None = None
    ) -> Retrieved:
        """Return the at most n items, old and new, with the greatest inner product, best first.

        Args:
            state: what the log says.
            user_D: float32 [D].
            n: how many.
            allowed: which may be found, see `Query.allowed`; None for all of them.
        """
        self._take_in(state)
        items_1n, scores_1n = self._index.search(user_D[None, :], n, allowed)
        is_found = items_1n[0] >= 0
        items, scores = items_1n[0][is_found].astype(np.int64), scores_1n[0][is_found]
        codes = items - self._num_old
        is_old = codes < 0
        codes[is_old] = self._codes_I[items[is_old]]
        known = np.flatnonzero((items >= 0) & (codes >= 0))
        return Retrieved(codes[known], scores[known])

    def _take_in(self, state: OnlineState) -> None:
        placed = self._placed
        # Both are whole numbers that only grow: a stale look is one request late, no more.
        if (placed.num_seen, placed.num_updates) == (len(state.items), state.items.num_updates):
            return
        with self._lock:
            self._placed = self._grown(self._placed, state)

    def _grown(self, placed: _Placed, state: OnlineState) -> _Placed:
        with state.lock:  # names and attributes of one moment
            num_seen, num_updates = len(state.items), state.items.num_updates
            later = np.arange(placed.num_seen, num_seen)
            is_changed = state.items.changed_since(placed.num_updates, placed.described)
            is_retried = state.items.changed_since(placed.num_updates, placed.undescribed)
            changed, retried = placed.described[is_changed], placed.undescribed[is_retried]
            asked = np.concatenate([changed, retried, later[~np.isin(later, self._release)]])
            rows = attribute_rows(state.items, asked, self._encoding)
        is_described = np.isfinite(rows).any(axis=1)
        come, blank = asked[is_described], asked[~is_described]
        if len(asked):
            self._index.change(
                self._numbers(come),
                self._place(rows[is_described]),
                self._numbers(changed[~np.isin(changed, come)]),
            )
        undescribed = np.concatenate([placed.undescribed[~is_retried], blank])
        described = np.concatenate([placed.described[~is_changed], come])
        return _Placed(num_seen, num_updates, undescribed, described)

    def _numbers(self, codes: Items) -> NDArray[np.int32]:
        return (codes + self._num_old).astype(np.int32)
