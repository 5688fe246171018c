"""The users' histories end to end, cut into rows of one length, for training a causal model without padding.

P pairs of a user and an item, U users, R rows, L places of a row, V held-out users.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.models.retrieval import Interactions

_LEAST_TO_HOLD_OUT = 3  # a shorter history would have next to nothing left to learn from


@dataclass(frozen=True)
class Rows:
    """R rows of a shuffled stream.

    Args:
        items: int32 [R, L], what goes in.
        targets: int32 [R, L], the item that the same user had next.
        weights: float32 [R, L], of the target; 0 where the user had none.
        segments: int32 [R, L], equal where two places belong to one user.
    """

    items: NDArray[np.int32]
    targets: NDArray[np.int32]
    weights: NDArray[np.float32]
    segments: NDArray[np.int32]


class Histories:
    """The items that each user had, in order of their first visits, less the held-out last item of some.

    Each item stands once, with the weight of all its visits: a source proposes what the user has not had,
    so the item itself must never be a target, nor the held-out item one of those before it.

    Args:
        interactions: the positives.
        num_held_out: the last item of at most so many users is held out, drawn by `seed` from those who
            have at least 3.
        seed: of the draw.
    """

    def __init__(self, interactions: Interactions, num_held_out: int, seed: int) -> None:
        first_P, weights_P = interactions.first_visits()
        users_P = interactions.users[first_P]
        by_user_P = np.lexsort((first_P, users_P))
        self._items_P = interactions.items[first_P][by_user_P].astype(np.int32)
        self._weights_P = weights_P[by_user_P].astype(np.float32)
        self._lengths_U = np.bincount(users_P, minlength=interactions.num_users)
        self._starts_U = np.cumsum(self._lengths_U) - self._lengths_U
        enough = np.flatnonzero(self._lengths_U >= _LEAST_TO_HOLD_OUT)
        rng = np.random.default_rng([seed, 0])
        held_out_V = np.sort(rng.choice(enough, min(num_held_out, len(enough)), replace=False))
        self.held_out_items: NDArray[np.int32] = self._items_P[
            self._starts_U[held_out_V] + self._lengths_U[held_out_V] - 1
        ]
        self._lengths_U[held_out_V] -= 1
        self.held_out_histories = [
            self._items_P[start : start + length]
            for start, length in zip(self._starts_U[held_out_V], self._lengths_U[held_out_V], strict=True)
        ]

    @property
    def num_places(self) -> int:
        """How many items there are to learn from."""
        return int(self._lengths_U.sum())

    @property
    def longest(self) -> int:
        """The length of the longest history."""
        return int(self._lengths_U.max(initial=0))

    def rows(self, length: int, seed: int) -> Rows:
        """Return all histories in another order and with other cuts for each seed; the rows are shuffled.

        The number of rows is the same for every seed: the cuts move because the stream begins somewhere
        in the first row. Places before it and after its end have weight 0 and a segment of their own.
        """
        rng = np.random.default_rng([seed, 1])
        users_U = rng.permutation(np.flatnonzero(self._lengths_U))
        lengths_U = self._lengths_U[users_U]
        ends_U = np.cumsum(lengths_U)
        place_P = np.arange(self.num_places) + np.repeat(
            self._starts_U[users_U] + lengths_U - ends_U, lengths_U
        )
        shape = num_rows(self.num_places, length), length
        first = int(rng.integers(0, length))
        shuffled_R = rng.permutation(shape[0])

        def cut(values_P: NDArray[Any], fill: int) -> NDArray[Any]:
            stream = np.full(shape[0] * length, fill, values_P.dtype)
            stream[first : first + len(values_P)] = values_P
            return stream.reshape(shape)[shuffled_R]

        next_P = np.minimum(place_P + 1, len(self._items_P) - 1)
        weights_P = self._weights_P[next_P].copy()
        weights_P[ends_U - 1] = 0
        segments_P = np.repeat(np.arange(len(users_U), dtype=np.int32), lengths_U)
        return Rows(
            items=cut(self._items_P[place_P], 0),
            targets=cut(self._items_P[next_P], 0),
            weights=cut(weights_P, 0),
            segments=cut(segments_P, -1),
        )


def num_rows(num_places: int, length: int) -> int:
    """Return how many rows of a length hold so many places, wherever in the first row they begin."""
    return -(-(num_places + length - 1) // length)
