"""Items that the state knows and a release does not: placed by attributes, and searched beside its index.

J new items, A attributes, D width, n wanted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shortlist.features.attributes import attribute_rows
from shortlist.features.encoders import Encoding
from shortlist.features.online import OnlineState
from shortlist.index.top import top_n
from shortlist.stages.contract import Items, Retrieved

Place = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True)
class _Placed:
    """The new items among the first `num_seen` codes of the state, as of so many updates; never changed."""

    num_seen: int
    num_updates: int
    undescribed: Items  # those that nothing places
    codes: Items  # those that have a vector, increasing, so that equal scores have one order
    vectors: NDArray[np.float32]


class Newcomers:
    """The vectors of new items; any thread may ask, and the first to see the state grown adds what is new.

    Only what is new, or was described anew, is placed: the rest is kept from one request to the next. An item
    without any attribute that the encoding reads is not found: nothing places it.

    Args:
        place: from attributes float32 [J, A] to vectors float32 [J, D].
        encoding: of the attributes.
        item_codes: int64, the codes that the release's items have in the state.
        width: D.
    """

    def __init__(self, place: Place, encoding: Encoding, item_codes: Items, width: int) -> None:
        self._place, self._encoding = place, encoding
        self._release = np.sort(item_codes)
        self._lock = threading.Lock()
        # What is placed lies at the beginning of these; the room behind it doubles when it is used up.
        self._codes, self._vectors = np.empty(0, np.int64), np.empty((0, width), np.float32)
        self._placed = _Placed(0, 0, np.empty(0, np.int64), self._codes, self._vectors)

    def nearest(self, state: OnlineState, user_D: NDArray[np.float32], n: int) -> Retrieved:
        """Return the at most n new items with the greatest inner product, best first."""
        placed = self._up_to_date(state)
        scores_J = np.asarray(placed.vectors @ user_D, np.float32)
        places, scores = top_n(scores_J[None, :], n)
        num_found = int((places[0] >= 0).sum())
        return Retrieved(placed.codes[places[0, :num_found]], scores[0, :num_found])

    def _up_to_date(self, state: OnlineState) -> _Placed:
        placed = self._placed
        # Both are whole numbers that only grow: a stale look is one request late, no more.
        if (placed.num_seen, placed.num_updates) == (len(state.items), state.items.num_updates):
            return placed
        with self._lock:
            self._placed = self._grown(self._placed, state)
            return self._placed

    def _grown(self, placed: _Placed, state: OnlineState) -> _Placed:
        with state.lock:  # names and attributes of one moment
            num_seen, num_updates = len(state.items), state.items.num_updates
            later = np.arange(placed.num_seen, num_seen)
            is_changed = state.items.changed_since(placed.num_updates, placed.codes)
            is_retried = state.items.changed_since(placed.num_updates, placed.undescribed)
            asked = np.concatenate(
                [
                    placed.codes[is_changed],
                    placed.undescribed[is_retried],
                    later[~np.isin(later, self._release)],
                ]
            )
            rows = attribute_rows(state.items, asked, self._encoding)
        if len(asked) == 0:
            return replace(placed, num_seen=num_seen, num_updates=num_updates)
        is_described = np.isfinite(rows).any(axis=1)
        undescribed = np.concatenate([placed.undescribed[~is_retried], asked[~is_described]])
        codes, vectors = asked[is_described], self._place(rows[is_described])
        num_placed = len(placed.codes)
        if is_changed.any() or (num_placed and (codes < placed.codes[-1]).any()):
            codes = np.concatenate([placed.codes[~is_changed], codes])
            vectors = np.concatenate([placed.vectors[~is_changed], vectors])
            order, num_placed = np.argsort(codes), 0
            # Not in their place: who searches the old vectors now must find them as they were.
            self._codes, self._vectors = codes[order], vectors[order]
        else:
            self._append(num_placed, codes, vectors)
        num_placed += len(codes)
        return _Placed(
            num_seen, num_updates, undescribed, self._codes[:num_placed], self._vectors[:num_placed]
        )

    def _append(self, num_placed: int, codes: Items, vectors: NDArray[np.float32]) -> None:
        end = num_placed + len(codes)
        if end > len(self._codes):
            room = max(2 * num_placed, end) - num_placed
            spare = np.empty((room, self._vectors.shape[1]), np.float32)
            self._codes = np.concatenate([self._codes[:num_placed], np.empty(room, np.int64)])
            self._vectors = np.concatenate([self._vectors[:num_placed], spare])
        order = np.argsort(codes)
        self._codes[num_placed:end], self._vectors[num_placed:end] = codes[order], vectors[order]
