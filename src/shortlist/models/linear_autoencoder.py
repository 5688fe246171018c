"""The linear autoencoder: each item is predicted from the others that a person had, and never from itself.

EASE of Steck, "Embarrassingly shallow autoencoders for sparse data" (WWW 2019). For a catalogue too great for
a dense matrix, each item from its nearest items alone, in the spirit of Steck, "Markov random fields for
collaborative filtering" (NeurIPS 2019).

U users, I items, M weights kept an item, K items that predict one, T that co-occur with one.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from shortlist.index.top import top_n
from shortlist.models.contract import Progress
from shortlist.models.errors import ModelError, require
from shortlist.models.files import frozen
from shortlist.models.neighbours.lists import NeighbourLists, trimmed
from shortlist.models.neighbours.sums import NeighbourSums
from shortlist.models.retrieval import NO_ITEM, Interactions, RetrievalModel
from shortlist.models.solvers.held_out_users import ALL_ALIKE, HALF_LIVES, best_by_held_out_users
from shortlist.models.solvers.processors import num_processors
from shortlist.models.solvers.user_item_matrix import user_item_matrix

_L2 = (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
_MIDDLE = 4  # where the search among these begins
_ROWS_AT_ONCE = 256
_NUM_PARTS = 64  # of the items, shared by the threads
_CO_OCCURRENCES = 4  # T over K


@dataclass(frozen=True)
class LinearAutoencoder(RetrievalModel):
    """The weights B with zero diagonal that minimise |X - X B|^2 + l2 |B|^2, X the user-item matrix.

    Up to `most_dense_items` items it is solved in closed form, with at most three matrices of I x I numbers
    of 4 bytes in memory: 1.2 GB at 10,000 items, 2.7 GB at 15,000. A ridge too small for single precision,
    beside millions of people, takes double and five of them. Above, an item is predicted from the K =
    `num_predictors` items of the greatest cosine with it: the same where every two items meet and K is I - 1.
    That takes I x 10 K numbers of 4 bytes, whatever the number of pairs.

    Args:
        l2: the ridge; None chooses it in `fit`, by people left out, among 3 to 3,000.
        num_neighbours: M, how many weights of an item are kept for serving, the greatest of either sign.
        gap_half_life: in a history, an item counts half as much as one that stands so many places before it;
            by default all are alike, as in the paper. None chooses it likewise, from 3 to all alike: right
            where what comes next is asked for, as in serving, and wrong where order tells nothing.
        most_dense_items: up to how many items the closed form is used.
        num_predictors: K.

    Raises:
        ModelError: when a number is out of range.
    """

    l2: float | None = None
    num_neighbours: int = 400
    gap_half_life: float | None = ALL_ALIKE
    most_dense_items: int = 15_000
    num_predictors: int = 100
    kind: ClassVar[str] = "linear_autoencoder"

    def __post_init__(self) -> None:
        for name in ("l2", "num_neighbours", "gap_half_life", "num_predictors"):
            value = getattr(self, name)
            require(
                value is None or value > 0, f"LinearAutoencoder.{name}", expected="above 0", received=value
            )
        least = self.most_dense_items
        require(least >= 0, "LinearAutoencoder.most_dense_items", expected="0 or more", received=least)

    def fit(
        self, interactions: Interactions, *, seed: int = 0, progress: Progress | None = None
    ) -> FittedLinearAutoencoder:
        """Choose the ridge if it is open, solve, and keep the greatest weights of each item."""
        is_open = None in (self.l2, self.gap_half_life)
        total = 1 + (len(_L2) + 1 if is_open else 0)
        done = 0

        def fitted(l2: float, data: Interactions) -> FittedLinearAutoencoder:
            nonlocal done
            matrix_UI = user_item_matrix(data)
            solve = self._dense if data.num_items <= self.most_dense_items else self._sparse
            lists = solve(matrix_UI, l2)
            done += 1
            if progress is not None:
                progress(done, total)
            return FittedLinearAutoencoder(lists, self.gap_half_life or ALL_ALIKE)

        l2, half_life = self._chosen(interactions, seed, fitted)
        done = total - 1
        return fitted(l2, interactions).with_half_life(half_life)

    def _chosen(
        self,
        interactions: Interactions,
        seed: int,
        fitted: Callable[[float, Interactions], FittedLinearAutoencoder],
    ) -> tuple[float, float]:
        """Return the settings, the open ones by people left out: first the ridge, then the half-life."""
        l2 = self.l2 or _L2[_MIDDLE]
        half_life = self.gap_half_life or ALL_ALIKE
        tried: dict[float, FittedLinearAutoencoder] = {}

        def once(l2: float, train: Interactions) -> FittedLinearAutoencoder:
            if l2 not in tried:
                tried[l2] = fitted(l2, train)
            return tried[l2]

        if self.l2 is None:
            l2 = best_by_held_out_users(_L2, _MIDDLE, once, interactions, seed)
        if self.gap_half_life is None:
            half_life = best_by_held_out_users(
                HALF_LIVES,
                len(HALF_LIVES) - 1,
                lambda value, train: once(l2, train).with_half_life(value),
                interactions,
                seed,
            )
        return l2, half_life

    def _dense(self, matrix_UI: Any, l2: float) -> NeighbourLists:
        num_items = matrix_UI.shape[1]
        if num_items == 0:  # of which LAPACK says that it cannot be inverted
            return NeighbourLists.joined([])
        gramian = matrix_UI.T @ matrix_UI
        is_known_I = gramian.diagonal() > 0
        inverse_II = _inverse(gramian, l2)
        del gramian  # two of the three matrices
        scale_I = -1.0 / inverse_II.diagonal()
        blocks = []
        for start in range(0, num_items, _ROWS_AT_ONCE):
            rows = slice(start, min(start + _ROWS_AT_ONCE, num_items))
            # LAPACK fills the upper triangle; the lower one still holds the factor's place.
            upto = rows.stop
            block_RI = np.empty((upto - start, num_items), np.float32)
            block_RI[:, start:] = inverse_II[rows, start:]
            block_RI[:, :start] = inverse_II[:start, rows].T
            square_RR = np.triu(block_RI[:, start:upto])
            block_RI[:, start:upto] = square_RR + np.triu(square_RR, 1).T
            block_RI *= scale_I
            block_RI[np.arange(upto - start), np.arange(start, upto)] = 0.0
            block_RI[:, ~is_known_I] = 0.0
            strength_RI = np.abs(block_RI)
            strongest_RM, strength_RM = top_n(strength_RI, self.num_neighbours)
            is_kept_RM = strength_RM > 0
            weights_RM = np.take_along_axis(block_RI, np.maximum(strongest_RM, 0), axis=1)
            blocks.append(trimmed(np.where(is_kept_RM, strongest_RM, NO_ITEM), weights_RM))
        return NeighbourLists.joined(blocks)

    def _sparse(self, matrix_UI: Any, l2: float) -> NeighbourLists:
        from shortlist.models.neighbours.ridge import keep_strongest, starts_of_kept  # compiled: heavy

        near_IK, weights_IK = self._predictors(matrix_UI, l2)
        starts = starts_of_kept(near_IK, weights_IK, self.num_neighbours)
        neighbours_E, weights_E = np.empty(starts[-1], np.int32), np.empty(starts[-1], np.float32)
        keep_strongest(near_IK, weights_IK, starts, neighbours_E, weights_E)
        return NeighbourLists(frozen(starts), frozen(neighbours_E), frozen(weights_E))

    def _predictors(self, matrix_UI: Any, l2: float) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the nearest items of each, int32 [I, K], and the weights with which they predict it."""
        from shortlist.models.neighbours.ridge import fill_co_occurrences, fit_items  # compiled: heavy

        num_items = matrix_UI.shape[1]
        matrix_IU = matrix_UI.T.tocsr()
        squares_I = np.asarray((matrix_IU * matrix_IU).sum(axis=1), np.float64)
        num_predictors = min(self.num_predictors, max(num_items - 1, 1))
        num_near = min(_CO_OCCURRENCES * num_predictors, max(num_items - 1, 1))
        near_IT = np.full((num_items, num_near), NO_ITEM, np.int32)
        together_IT = np.zeros((num_items, num_near), np.float32)
        weights_IK = np.zeros((num_items, num_predictors), np.float32)
        bounds = np.linspace(0, num_items, _NUM_PARTS + 1).astype(np.int64)
        by_item = (matrix_IU.indptr.astype(np.int64), matrix_IU.indices, matrix_IU.data)
        by_user = (matrix_UI.indptr.astype(np.int64), matrix_UI.indices, matrix_UI.data)

        def co_occur(part: int) -> None:
            fill_co_occurrences(
                bounds[part], bounds[part + 1], *by_item, *by_user, np.sqrt(squares_I), near_IT, together_IT
            )

        def fit(part: int) -> None:
            fit_items(bounds[part], bounds[part + 1], near_IT, together_IT, squares_I, float(l2), weights_IK)

        with ThreadPoolExecutor(num_processors()) as pool:
            list(pool.map(co_occur, range(_NUM_PARTS)))
            list(pool.map(fit, range(_NUM_PARTS)))
        return near_IT[:, :num_predictors].copy(), weights_IK


def _inverse(gramian: Any, l2: float) -> NDArray[np.floating[Any]]:
    """Return the upper triangle of (G + l2 I)^-1; below it lies what is of no use.

    Single precision is enough unless the ridge is small beside millions of people; double is enough then.
    """
    for precision in (np.float32, np.float64):
        inverse_II = _inverse_in(precision, gramian, l2)
        if inverse_II is not None:
            return inverse_II
    raise ModelError(
        f"LinearAutoencoder.l2: expected a ridge that the data can bear, received {l2}. Raise it."
    )


def _inverse_in(
    precision: type[np.floating[Any]], gramian: Any, l2: float
) -> NDArray[np.floating[Any]] | None:
    """Return what `_inverse` does, in one matrix of a precision; None where that is not enough."""
    from scipy.linalg import get_lapack_funcs  # training only

    dense_II = gramian.toarray(order="F").astype(precision, copy=False)
    dense_II.ravel(order="K")[:: len(dense_II) + 1] += precision(l2)
    factorise, invert = get_lapack_funcs(("potrf", "potri"), (dense_II,))
    factor_II, failed = factorise(dense_II, overwrite_a=True)
    if failed:
        return None
    inverse_II, failed = invert(factor_II, overwrite_c=True)
    return None if failed else np.asarray(inverse_II)


class FittedLinearAutoencoder(NeighbourSums):
    """The greatest weights of each item, strongest first, of either sign."""

    kind: ClassVar[str] = "linear_autoencoder"

    def with_half_life(self, gap_half_life: float) -> FittedLinearAutoencoder:
        """Return the same weights, summed with another recency."""
        return FittedLinearAutoencoder(self.lists, gap_half_life)
