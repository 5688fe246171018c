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
    codes: Items
    vectors: NDArray[np.float32]
    is_described: NDArray[np.bool_]


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
        self._place, self._encoding, self._width = place, encoding, width
        self._release = np.sort(item_codes)
        self._lock = threading.Lock()
        self._placed = _Placed(
            0, 0, np.empty(0, np.int64), np.empty((0, width), np.float32), np.empty(0, bool)
        )

    def nearest(self, state: OnlineState, user_D: NDArray[np.float32], n: int) -> Retrieved:
        """Return the at most n new items with the greatest inner product, best first."""
        placed = self._up_to_date(state)
        scores_J = np.where(placed.is_described, placed.vectors @ user_D, -np.inf)
        places, scores = top_n(np.asarray(scores_J, np.float32)[None, :], n)
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
            added = later[~np.isin(later, self._release)]
            changed = np.flatnonzero(state.items.changed_since(placed.num_updates, placed.codes))
            rows = attribute_rows(state.items, np.concatenate([placed.codes[changed], added]), self._encoding)
        if len(rows) == 0:
            return replace(placed, num_seen=num_seen, num_updates=num_updates)
        # Copies: who searches the old vectors now must find them as they were.
        places = np.concatenate([changed, len(placed.codes) + np.arange(len(added))])
        vectors = np.concatenate([placed.vectors, np.empty((len(added), self._width), np.float32)])
        is_described = np.concatenate([placed.is_described, np.zeros(len(added), bool)])
        vectors[places], is_described[places] = self._place(rows), np.isfinite(rows).any(axis=1)
        return _Placed(num_seen, num_updates, np.concatenate([placed.codes, added]), vectors, is_described)
