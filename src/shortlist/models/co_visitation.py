"""Co-visitation: items that the same people visit close to one another.

The cosine of Linden, Smith & York ("Amazon.com recommendations", 2003) over visits weighed by how close they
are, in time and in the user's sequence, as in the co-visitation matrices that won the OTTO challenge (2022).

N visits, U users, I items, R of them at once, M neighbours kept an item, L history.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from shortlist.declare.types import duration_us
from shortlist.models.contract import Progress
from shortlist.models.errors import require
from shortlist.models.neighbours.lists import NeighbourLists, trimmed
from shortlist.models.neighbours.sums import NeighbourSums
from shortlist.models.retrieval import NO_ITEM, Interactions, RetrievalModel

_STEPS = 50  # how often a fit reports its progress


@dataclass(frozen=True)
class CoVisitation(RetrievalModel):
    """For each item, the items most often visited near it.

    Two visits of one user, apart by t in time and by g places in the sequence, count
    w1 * w2 * 2^(-t / time_half_life) * 2^(-g / gap_half_life); an item's count with another is divided
    by the root of the product of both items' sums of w^2, so that being popular is not being near. Both
    decays are positive-definite kernels, and so a score lies between 0 and 1.

    Args:
        num_neighbours: M, how many neighbours are kept for an item.
        history: how many of a user's last visits count; the last visit to an item stands for all of them.
        time_half_life: a duration such as "1d".
        gap_half_life: in places of the sequence. Short is right where order tells much: next-item HR@10 is
            .42 at 2 and .27 at 10 on globo.com news, .23 and .16 on MovieLens-1M.
        backward: what a visit before the item counts, against one after it; 1 makes the matrix symmetric.

    Raises:
        ModelError: when a number is out of range.
        DeclarationError: when `time_half_life` is no duration.
    """

    num_neighbours: int = 100
    history: int = 50
    time_half_life: str = "1d"
    gap_half_life: float = 2.0
    backward: float = 0.3
    kind: ClassVar[str] = "co_visitation"

    def __post_init__(self) -> None:
        for name in ("num_neighbours", "history", "gap_half_life"):
            value = getattr(self, name)
            require(value > 0, f"CoVisitation.{name}", expected="above 0", received=value)
        require(0 <= self.backward <= 1, "CoVisitation.backward", expected="0 to 1", received=self.backward)
        duration_us("CoVisitation.time_half_life", self.time_half_life)

    def fit(
        self, interactions: Interactions, *, seed: int = 0, progress: Progress | None = None
    ) -> FittedCoVisitation:
        """Sum the co-visits of each item and keep its best neighbours; `seed` changes nothing."""
        from shortlist.models.neighbours.co_visits import fill_neighbours  # compiled: heavy to import

        num_items = interactions.num_items
        kept_N = _last_visits(interactions, self.history)
        users_N, items_N = interactions.users[kept_N], interactions.items[kept_N]
        weights_N = interactions.weights[kept_N]
        squares_I = np.bincount(items_N, weights=weights_N.astype(np.float64) ** 2, minlength=num_items)
        row_I, touched_I = np.zeros(num_items), np.empty(num_items, np.int32)
        bounds = np.linspace(0, num_items, _STEPS + 1).astype(np.int64)
        visits_of_item, item_starts = np.argsort(items_N, kind="stable"), _starts(items_N, num_items)
        user_starts, times_N = _starts(users_N, interactions.num_users), interactions.times_us[kept_N]
        norms_I, gap_decay_L = np.sqrt(squares_I), _decay(self.history, self.gap_half_life)
        time_half_life_us = float(duration_us("CoVisitation.time_half_life", self.time_half_life))
        blocks = []
        for step in range(_STEPS):
            shape = (bounds[step + 1] - bounds[step], self.num_neighbours)
            neighbours_RM, scores_RM = np.full(shape, NO_ITEM, np.int32), np.empty(shape, np.float32)
            fill_neighbours(
                bounds[step],
                bounds[step + 1],
                visits_of_item,
                item_starts,
                users_N,
                user_starts,
                items_N,
                times_N,
                weights_N,
                norms_I,
                gap_decay_L,
                time_half_life_us,
                self.backward,
                row_I,
                touched_I,
                neighbours_RM,
                scores_RM,
            )
            blocks.append(trimmed(neighbours_RM, scores_RM))
            if progress is not None:
                progress(step + 1, _STEPS)
        return FittedCoVisitation(NeighbourLists.joined(blocks), self.gap_half_life)


class FittedCoVisitation(NeighbourSums):
    """The neighbours of each item, best first; their similarity lies in (0, 1]."""

    kind: ClassVar[str] = "co_visitation"

    def similar(self, item: int, n: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return at most n neighbours of an item and their scores, best first.

        Raises:
            ModelError: when there is no such item.
        """
        known = self.num_items
        require(0 <= item < known, "similar", expected=f"an item 0..{known - 1}", received=item)
        items, scores = self.lists.of(item)
        return items[: max(n, 0)], scores[: max(n, 0)]


def _decay(length: int, half_life: float) -> NDArray[np.float64]:
    return np.exp2(-np.arange(length) / half_life)


def _starts(codes: NDArray[Any], count: int) -> NDArray[np.int64]:
    """Where each code's run starts among sorted codes, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(np.bincount(codes, minlength=count))]).astype(np.int64)


def _last_visits(interactions: Interactions, history: int) -> NDArray[np.int64]:
    """Return which interactions count, by user and then time: the last `history` distinct items of each."""
    pair_N = interactions.users.astype(np.int64) * interactions.num_items + interactions.items
    # The first of each pair in the reversed log is its last visit.
    last_of_pair = len(pair_N) - 1 - np.unique(pair_N[::-1], return_index=True)[1]
    visits = np.sort(last_of_pair)
    visits = visits[np.argsort(interactions.users[visits], kind="stable")]
    starts = _starts(interactions.users[visits], interactions.num_users)
    ends_of_visits = starts[1:][interactions.users[visits]]
    counts_N: NDArray[np.bool_] = ends_of_visits - np.arange(len(visits)) <= history
    return np.asarray(visits[counts_N], np.int64)
