"""Matrix factorisation for implicit feedback: every pair that was not observed pulls a little towards 0.

The objective of Hu, Koren & Volinsky, "Collaborative filtering for implicit feedback datasets" (2008), with
the frequency-scaled regularisation of Rendle, Krichene, Zhang & Koren, "Revisiting the performance of iALS"
(2021).

N interactions, U users, I items, B users asked for, L history, D width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from shortlist.index.allowed import Allowed
from shortlist.index.contract import StoredIndex
from shortlist.index.exact import ExactIndex
from shortlist.models.contract import Progress
from shortlist.models.errors import ModelFileError, require
from shortlist.models.files import read_description, read_index, write_description
from shortlist.models.retrieval import (
    FittedVectors,
    Interactions,
    RetrievalModel,
    UserBatch,
    nothing_for_zeros,
)
from shortlist.models.solvers.alternating import solve_side
from shortlist.models.solvers.held_out_users import ALL_ALIKE, HALF_LIVES, best_by_held_out_users
from shortlist.models.solvers.user_item_matrix import user_item_matrix

_USERS_AT_ONCE = 256
_SETTINGS = ("unobserved_weight", "l2", "gap_half_life")
_UNOBSERVED_WEIGHTS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
_L2 = (0.0003, 0.001, 0.003, 0.01, 0.03)
_MIDDLE = (3, 2)  # where the search among these begins


@dataclass(frozen=True)
class MatrixFactorisation(RetrievalModel):
    """A vector for each item; a user's vector is solved for when it is needed, from the user's history.

    With observed pairs S, it minimises the sum over S of w (1 - x y)^2, plus `unobserved_weight` times the
    sum over all pairs of (x y)^2, plus `l2` times the sum of each vector's squared length times the weight of
    all pairs it stands in, observed and not. Users and items are solved for in turns.

    Args:
        width: D, the length of a vector.
        num_epochs: how many turns.
        unobserved_weight: against a mean weight of 1 of the observed; None chooses it in `fit`, by people
            left out, among .003 to 3.
        l2: None chooses it likewise, among .0003 to .03.
        gap_half_life: in the history that a user's vector is solved from, an item weighs half as much as one
            that stands so many places before it; by default all are alike, as in the paper. None chooses it
            likewise, from 3 to all alike: right where what comes next is asked for, as in serving.

    Raises:
        ModelError: when a number is out of range.
    """

    width: int = 64
    num_epochs: int = 16
    unobserved_weight: float | None = None
    l2: float | None = None
    gap_half_life: float | None = ALL_ALIKE
    kind: ClassVar[str] = "matrix_factorisation"

    def __post_init__(self) -> None:
        for name in ("width", "num_epochs", "unobserved_weight", "l2", "gap_half_life"):
            value = getattr(self, name)
            require(
                value is None or value > 0, f"MatrixFactorisation.{name}", expected="above 0", received=value
            )

    def fit(
        self, interactions: Interactions, *, seed: int = 0, progress: Progress | None = None
    ) -> FittedMatrixFactorisation:
        """Choose what is open, then solve for users and items in turns from small random item vectors."""
        is_open = None in (self.unobserved_weight, self.l2, self.gap_half_life)
        total = self.num_epochs * (1 + (len(_UNOBSERVED_WEIGHTS) + len(_L2) if is_open else 0))
        done = 0

        def advance(num_epochs: int) -> None:
            nonlocal done
            done += num_epochs
            if progress is not None:
                progress(done, total)

        def fitted(weight: float, l2: float, data: Interactions) -> FittedMatrixFactorisation:
            items_ID = self._item_vectors(data, weight, l2, seed, advance)
            half_life = self.gap_half_life or ALL_ALIKE
            return FittedMatrixFactorisation(ExactIndex(items_ID), weight, l2, half_life)

        unobserved_weight, l2, half_life = self._chosen(interactions, seed, fitted)
        advance(total - self.num_epochs - done)
        return fitted(unobserved_weight, l2, interactions).with_half_life(half_life)

    def _item_vectors(
        self,
        interactions: Interactions,
        unobserved_weight: float,
        l2: float,
        seed: int,
        advance: Callable[[int], None],
    ) -> NDArray[np.float32]:
        matrix_UI = user_item_matrix(interactions)
        matrix_IU = matrix_UI.T.tocsr()
        num_users, num_items = matrix_UI.shape
        draw_ID = np.random.default_rng(seed).normal(0.0, 0.1 / np.sqrt(self.width), (num_items, self.width))
        items_ID, users_UD = draw_ID.astype(np.float32), np.zeros((num_users, self.width), np.float32)
        for _ in range(self.num_epochs):
            solve_side(matrix_UI, items_ID, users_UD, unobserved_weight, l2)
            solve_side(matrix_IU, users_UD, items_ID, unobserved_weight, l2)
            advance(1)
        return items_ID

    def _chosen(
        self,
        interactions: Interactions,
        seed: int,
        fitted: Callable[[float, float, Interactions], FittedMatrixFactorisation],
    ) -> tuple[float, float, float]:
        """Return unobserved weight, l2 and half-life; the open ones are chosen in this order."""
        weight = self.unobserved_weight or _UNOBSERVED_WEIGHTS[_MIDDLE[0]]
        l2 = self.l2 or _L2[_MIDDLE[1]]
        half_life = self.gap_half_life or ALL_ALIKE
        tried: dict[tuple[float, float], FittedMatrixFactorisation] = {}

        def once(weight: float, l2: float, train: Interactions) -> FittedMatrixFactorisation:
            if (weight, l2) not in tried:
                tried[weight, l2] = fitted(weight, l2, train)
            return tried[weight, l2]

        if self.unobserved_weight is None:
            weight = best_by_held_out_users(
                _UNOBSERVED_WEIGHTS,
                _MIDDLE[0],
                lambda value, train: once(value, l2, train),
                interactions,
                seed,
            )
        if self.l2 is None:
            l2 = best_by_held_out_users(
                _L2, _MIDDLE[1], lambda value, train: once(weight, value, train), interactions, seed
            )
        if self.gap_half_life is None:
            half_life = best_by_held_out_users(
                HALF_LIVES,
                len(HALF_LIVES) - 1,
                lambda value, train: once(weight, l2, train).with_half_life(value),
                interactions,
                seed,
            )
        return weight, l2, half_life


class FittedMatrixFactorisation(FittedVectors):
    """The item vectors, and how a user's vector is solved for.

    Args:
        index: the vectors of the items, [I, D].
        unobserved_weight: as it was trained with.
        l2: as it was trained with.
        gap_half_life: how fast a history's older items weigh less, in places.
    """

    kind: ClassVar[str] = "matrix_factorisation"

    def __init__(self, index: StoredIndex, unobserved_weight: float, l2: float, gap_half_life: float) -> None:
        self.index = index
        self.unobserved_weight = unobserved_weight
        self.l2 = l2
        self.gap_half_life = gap_half_life
        items_ID = index.vectors.astype(np.float64)
        self._gramian_DD = unobserved_weight * (items_ID.T @ items_ID)

    def with_half_life(self, gap_half_life: float) -> FittedMatrixFactorisation:
        """Return the same item vectors, with another recency in a user's history."""
        return FittedMatrixFactorisation(self.index, self.unobserved_weight, self.l2, gap_half_life)

    def user_vectors(self, users: UserBatch) -> NDArray[np.float32]:
        """Solve for each user as in training, with the distinct items of the history, each by its recency.

        The newest item weighs 1, and each place further back 2^(-1 / gap_half_life).

        Returns:
            float32 [B, D]; zeros for a user of whom no item is known.
        """
        width = self.index.width
        vectors_BD = np.zeros((len(users), width), np.float32)
        for start in range(0, len(users), _USERS_AT_ONCE):
            batch_BL = users.history[start : start + _USERS_AT_ONCE]
            systems_BDD = np.repeat(self._gramian_DD[None], len(batch_BL), axis=0)
            targets_BD = np.zeros((len(batch_BL), width))
            for system_DD, target_D, history_L in zip(systems_BDD, targets_BD, batch_BL, strict=True):
                known, places = np.unique(history_L, return_index=True)  # the first place is the newest
                is_known = (known >= 0) & (known < self.num_items)
                weights_L = np.exp2(-places[is_known] / self.gap_half_life)
                seen_LD = self.index.vectors[known[is_known]].astype(np.float64)
                system_DD += (seen_LD.T * weights_L) @ seen_LD
                total_weight = weights_L.sum() + self.unobserved_weight * self.num_items
                system_DD.ravel()[:: width + 1] += self.l2 * total_weight
                target_D += weights_L @ seen_LD
            solved_BD1 = np.linalg.solve(systems_BDD, targets_BD[:, :, None])
            vectors_BD[start : start + len(batch_BL)] = solved_BD1[:, :, 0]
        return vectors_BD

    def retrieve(
        self, users: UserBatch, n: int, allowed: Allowed | None = None
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Search the index; nothing is found for a history of items that nobody had in training."""
        vectors_BD = self.user_vectors(users)
        return nothing_for_zeros(vectors_BD, *self.index.search(vectors_BD, n, allowed))

    def save(self, folder: Path) -> None:
        """Write `model.json` and the index."""
        write_description(folder, self.kind, **{name: getattr(self, name) for name in _SETTINGS})
        self.index.save(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; raises `ModelFileError` when it is damaged."""
        description = read_description(folder, cls.kind, **dict.fromkeys(_SETTINGS, (int, float)))
        settings = [description[name] for name in _SETTINGS]
        if not all(0 < value < np.inf for value in settings):
            raise ModelFileError(f"{folder}: expected positive {', '.join(_SETTINGS)}, received {settings}.")
        return cls(read_index(folder), *settings)
