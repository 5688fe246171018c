"""Alternating least squares: one side of a factorisation is solved for while the other stands still.

R rows, C columns, D width.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.models.solvers.processors import num_processors

_NUM_STEPS = 3  # of conjugate gradients a row and epoch; the next epoch goes on from there
_FLOATS_AT_ONCE = 32_768  # OpenBLAS multiplies so small a matrix on the thread that asks


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
    from shortlist.models.solvers.alternating_kernel import solve_rows  # compiled: heavy to import

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
