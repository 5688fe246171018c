"""Matrix factorisation for implicit feedback: every pair that was not observed pulls a little towards 0.

The objective of Hu, Koren & Volinsky, "Collaborative filtering for implicit feedback datasets" (2008), with
the frequency-scaled regularisation of Rendle, Krichene, Zhang & Koren, "Revisiting the performance of iALS"
(2021).

N interactions, U users, I items, B users asked for, L history, D width.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from shortlist.arrays import ArrayFileError
from shortlist.index.contract import VectorIndex
from shortlist.index.exact import ExactIndex
from shortlist.models.contract import Progress
from shortlist.models.errors import ModelFileError, require
from shortlist.models.files import read_description, write_description
from shortlist.models.held_out_users import best_by_held_out_users
from shortlist.models.processors import num_processors
from shortlist.models.retrieval import FittedVectors, Interactions, RetrievalModel, UserBatch
from shortlist.models.user_item_matrix import user_item_matrix

_NUM_STEPS = 3  # of conjugate gradients a row and epoch; the next epoch goes on from there
_FLOATS_AT_ONCE = 32_768  # OpenBLAS multiplies so small a matrix on the thread that asks
_USERS_AT_ONCE = 256
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

    Raises:
        ModelError: when a number is out of range.
    """

    width: int = 64
    num_epochs: int = 16
    unobserved_weight: float | None = None
    l2: float | None = None
    kind: ClassVar[str] = "matrix_factorisation"

    def __post_init__(self) -> None:
        for name in ("width", "num_epochs", "unobserved_weight", "l2"):
            value = getattr(self, name)
            require(
                value is None or value > 0, f"MatrixFactorisation.{name}", expected="above 0", received=value
            )

    def fit(
        self, interactions: Interactions, *, seed: int = 0, progress: Progress | None = None
    ) -> FittedMatrixFactorisation:
        """Choose what is open, then solve for users and items in turns from small random item vectors."""
        is_open = None in (self.unobserved_weight, self.l2)
        total = self.num_epochs * (1 + (len(_UNOBSERVED_WEIGHTS) + len(_L2) if is_open else 0))
        done = 0

        def advance(num_epochs: int) -> None:
            nonlocal done
            done += num_epochs
            if progress is not None:
                progress(done, total)

        unobserved_weight, l2 = self._chosen(interactions, seed, advance)
        advance(total - self.num_epochs - done)
        items_ID = self._solved(interactions, unobserved_weight, l2, seed, advance)
        return FittedMatrixFactorisation(ExactIndex(items_ID), unobserved_weight, l2)

    def _solved(
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
        self, interactions: Interactions, seed: int, advance: Callable[[int], None]
    ) -> tuple[float, float]:
        """Return the settings, the open ones by people left out: first the unobserved weight, then the l2."""
        weight = self.unobserved_weight or _UNOBSERVED_WEIGHTS[_MIDDLE[0]]
        l2 = self.l2 or _L2[_MIDDLE[1]]

        def fitted(weight: float, l2: float, train: Interactions) -> FittedMatrixFactorisation:
            items_ID = self._solved(train, weight, l2, seed, advance)
            return FittedMatrixFactorisation(ExactIndex(items_ID), weight, l2)

        if self.unobserved_weight is None:
            best = best_by_held_out_users(
                len(_UNOBSERVED_WEIGHTS),
                _MIDDLE[0],
                lambda place, train: fitted(_UNOBSERVED_WEIGHTS[place], l2, train),
                interactions,
                seed,
            )
            weight = _UNOBSERVED_WEIGHTS[best]
        if self.l2 is None:
            best = best_by_held_out_users(
                len(_L2),
                _MIDDLE[1],
                lambda place, train: fitted(weight, _L2[place], train),
                interactions,
                seed,
            )
            l2 = _L2[best]
        return weight, l2


class FittedMatrixFactorisation(FittedVectors):
    """The item vectors, and how a user's vector is solved for.

    Args:
        index: the vectors of the items, [I, D].
        unobserved_weight: as it was trained with.
        l2: as it was trained with.
    """

    kind: ClassVar[str] = "matrix_factorisation"

    def __init__(self, index: VectorIndex, unobserved_weight: float, l2: float) -> None:
        self.index = index
        self.unobserved_weight = unobserved_weight
        self.l2 = l2
        assert isinstance(index, ExactIndex)
        self._items_ID = index.vectors
        items_ID = self._items_ID.astype(np.float64)
        self._gramian_DD = unobserved_weight * (items_ID.T @ items_ID)

    def user_vectors(self, users: UserBatch) -> NDArray[np.float32]:
        """Solve for each user as in training, with the distinct items of the history, each of weight 1.

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
                known = np.unique(history_L[(history_L >= 0) & (history_L < self.num_items)])
                seen_LD = self._items_ID[known].astype(np.float64)
                system_DD += seen_LD.T @ seen_LD
                total_weight = len(known) + self.unobserved_weight * self.num_items
                system_DD.ravel()[:: width + 1] += self.l2 * total_weight
                target_D += seen_LD.sum(axis=0)
            solved_BD1 = np.linalg.solve(systems_BDD, targets_BD[:, :, None])
            vectors_BD[start : start + len(batch_BL)] = solved_BD1[:, :, 0]
        return vectors_BD

    def save(self, folder: Path) -> None:
        """Write `model.json` and the index."""
        write_description(folder, self.kind, unobserved_weight=self.unobserved_weight, l2=self.l2)
        self.index.save(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; raises `ModelFileError` when it is damaged."""
        description = read_description(folder, cls.kind, unobserved_weight=(int, float), l2=(int, float))
        if not (description["unobserved_weight"] > 0 and description["l2"] > 0):
            raise ModelFileError(f"{folder}: expected a positive unobserved_weight and l2.")
        try:
            index = ExactIndex.load(folder)
        except ArrayFileError as error:
            raise ModelFileError(str(error)) from error
        return cls(index, description["unobserved_weight"], description["l2"])


def solve_side(
    matrix: Any,
    fixed_CD: NDArray[np.float32],
    solved_RD: NDArray[np.float32],
    unobserved_weight: float,
    l2: float,
    num_steps: int = _NUM_STEPS,
) -> None:
    """Improve the vectors of a matrix's rows in place, while those of its columns stand still.

    Rows do not depend on each other: as many threads as there are processors share them.

    Args:
        matrix: the observed pairs, a SciPy `csr_array` [R, C].
        fixed_CD: float32 [C, D].
        solved_RD: float32 [R, D].
        unobserved_weight: see `MatrixFactorisation`.
        l2: see `MatrixFactorisation`.
        num_steps: of conjugate gradients; some tens give the exact solution.
    """
    from shortlist.models.matrix_factorisation_kernel import solve_rows  # compiled: heavy to import

    num_rows, num_columns = matrix.shape
    starts = matrix.indptr.astype(np.int64)
    weight_R = np.asarray(matrix.sum(axis=1), np.float64)
    l2_R = (l2 * (weight_R + unobserved_weight * num_columns)).astype(np.float32)
    gramian_DD = np.float32(unobserved_weight) * (fixed_CD.T @ fixed_CD)
    num_at_once = max(1, _FLOATS_AT_ONCE // fixed_CD.shape[1])
    # A row costs its pairs and a little more; several parts a thread, so that none waits long for the others.
    costs = starts + np.arange(num_rows + 1) * 16
    num_parts = 4 * num_processors()
    bounds = np.searchsorted(costs, np.linspace(0, costs[-1], num_parts + 1))
    bounds[0], bounds[-1] = 0, num_rows

    def solve(part: int) -> None:
        solve_rows(
            bounds[part], bounds[part + 1], starts, matrix.indices, matrix.data, fixed_CD, gramian_DD, l2_R,
            num_steps, num_at_once, solved_RD,
        )  # fmt: skip

    with ThreadPoolExecutor(num_processors()) as pool:
        list(pool.map(solve, range(num_parts)))
