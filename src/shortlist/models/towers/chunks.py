"""Histories cut into chunks: a few targets in a row with all that came before each of them.

A target's history overlaps that of its neighbour, so a chunk of C targets needs the vectors of L + C items
where each target by itself would need L of them.

N visits, U users, K chunks, G chunks of a batch, L history, C targets of a chunk.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.models.retrieval import NO_ITEM, Interactions, UserBatch

TARGETS = 8  # C


@dataclass(frozen=True)
class Visits:
    """The first visit of each user to each item, by user and then time.

    Args:
        users: int32 [N], increasing.
        items: int32 [N].
        weights: float32 [N], of all visits to the item, 1 on average.
        starts: int64 [U + 1], where each user's visits begin.
    """

    users: NDArray[np.int32]
    items: NDArray[np.int32]
    weights: NDArray[np.float32]
    starts: NDArray[np.int64]

    @classmethod
    def first(cls, interactions: Interactions) -> Visits:
        """Keep each pair's first visit: what is proposed is what the user has not had."""
        firsts, sums = interactions.first_visits()
        scale = max(float(sums.mean()) if len(sums) else 0.0, 1e-9)
        order = np.lexsort((firsts, interactions.users[firsts]))
        return cls._of(
            interactions.users[firsts][order],
            interactions.items[firsts][order],
            (sums[order] / scale).astype(np.float32),
            interactions.num_users,
        )

    @classmethod
    def _of(
        cls, users: NDArray[np.int32], items: NDArray[np.int32], weights: NDArray[np.float32], num_users: int
    ) -> Visits:
        counts = np.bincount(users, minlength=num_users)
        return cls(users, items, weights, np.concatenate([[0], np.cumsum(counts)]).astype(np.int64))

    def __len__(self) -> int:
        return len(self.items)

    def without_last(self, users: NDArray[np.int64]) -> Visits:
        """Leave out the last visit of some users."""
        is_kept = np.ones(len(self), np.bool_)
        is_kept[self.starts[users + 1] - 1] = False
        return self._of(self.users[is_kept], self.items[is_kept], self.weights[is_kept], len(self.starts) - 1)

    def before(self, ends_B: NDArray[np.int64], length: int) -> UserBatch:
        """Return the histories that end before some visits, newest first.

        Args:
            ends_B: int64 [B], the visit that ends each.
            length: L.
        """
        places_BL = ends_B[:, None] - 1 - np.arange(length)
        starts_B = self.starts[self.users[ends_B]]
        is_past_BL = places_BL >= starts_B[:, None]
        return UserBatch(np.where(is_past_BL, self.items[np.maximum(places_BL, 0)], NO_ITEM).astype(np.int32))

    def chunks(self) -> NDArray[np.int64]:
        """Return the first target of each chunk, int64 [K]."""
        lengths_U = np.diff(self.starts)
        num_chunks_U = -(-lengths_U // TARGETS)
        firsts = np.repeat(self.starts[:-1], num_chunks_U)
        within = np.arange(len(firsts)) - np.repeat(np.cumsum(num_chunks_U) - num_chunks_U, num_chunks_U)
        return np.asarray(firsts + TARGETS * within, np.int64)

    def ahead(self, horizon: int) -> NDArray[np.float64]:
        """Return how often each visit is drawn as a target if each place draws one, float64 [N].

        A place draws evenly among itself and the visits after it, at most `horizon` of them in all.
        """
        ends_N = self.starts[self.users + 1]
        drawn_from_N = np.minimum(ends_N - np.arange(len(self)), horizon)
        each = np.concatenate([[0.0], np.cumsum(1.0 / np.maximum(drawn_from_N, 1))])
        first_N = np.maximum(self.starts[self.users], np.arange(len(self)) - horizon + 1)
        return np.asarray(each[1:] - each[first_N])

    def batch(
        self, firsts_G: NDArray[np.int64], length: int, horizon: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32], NDArray[np.int32]]:
        """Return some chunks.

        Args:
            firsts_G: int64 [G], from `chunks`.
            length: L.
            horizon: a place's target is drawn among so many visits from it on; 1 is the very next.
            rng: draws the targets.

        Returns:
            The chunks' items int32 [G, L + C], oldest first and -1 where none; the target of each of the last
            C places, int32 [G, C]; its weight float32 [G, C], 0 beyond the last visit; users int32 [G].
        """
        users_G = self.users[firsts_G]
        ends_G1 = self.starts[users_G + 1][:, None]
        places = firsts_G[:, None] - length + np.arange(length + TARGETS)
        is_own = (places >= self.starts[users_G][:, None]) & (places < ends_G1)
        items = np.where(is_own, self.items[np.where(is_own, places, 0)], NO_ITEM).astype(np.int32)
        places, is_own = places[:, length:], is_own[:, length:]
        drawn_from = np.clip(ends_G1 - places, 1, horizon)
        chosen = np.where(is_own, places + (rng.random(places.shape) * drawn_from).astype(np.int64), 0)
        targets = np.where(is_own, self.items[chosen], NO_ITEM).astype(np.int32)
        return items, targets, np.where(is_own, self.weights[chosen], 0.0).astype(np.float32), users_G
