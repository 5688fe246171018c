"""Solve one side of a matrix factorisation while the other stands still, compiled.

R rows to solve (users, or items), N observed pairs, D width, C pairs at once.
A row's system is (G + l2 I + sum w y y') x = sum w y over its observed vectors y. It is never built:
conjugate gradients from the row's last solution need only products with it (Takacs et al. 2011), N x D work
each and not N x D^2. The vectors of a row are gathered once into a block that stays in the cache.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist.compiled import compiled


@compiled
def solve_rows(
    first_row: int,
    last_row: int,
    starts: NDArray[np.int64],
    columns: NDArray[np.int32],
    weights: NDArray[np.float32],
    fixed_CD: NDArray[np.float32],
    gramian_DD: NDArray[np.float32],
    l2_R: NDArray[np.float32],
    num_steps: int,
    num_at_once: int,
    solved_RD: NDArray[np.float32],
) -> None:
    """Improve rows first_row..last_row-1 of `solved_RD` in place.

    Row r has observed `columns[starts[r]:starts[r + 1]]` of `fixed_CD`, with their weights; `gramian_DD` is
    G. `num_at_once` vectors are multiplied together: so few that a BLAS of many threads takes one for them.
    """
    width = fixed_CD.shape[1]
    longest = 0
    for row in range(first_row, last_row):
        longest = max(longest, starts[row + 1] - starts[row])
    block_LD = np.empty((longest, width), np.float32)
    roots_L = np.empty(longest, np.float32)
    products_L = np.empty(longest, np.float32)
    part_D, image_D = np.empty(width, np.float32), np.empty(width, np.float32)
    for row in range(first_row, last_row):
        begin, length = starts[row], starts[row + 1] - starts[row]
        x_D = solved_RD[row]
        if length == 0:
            x_D[:] = 0.0
            continue
        for place in range(length):
            root = np.sqrt(weights[begin + place])
            roots_L[place] = root
            vector_D, target_D = fixed_CD[columns[begin + place]], block_LD[place]
            for d in range(width):
                target_D[d] = vector_D[d] * root
        rows_LD = block_LD[:length]
        residual_D = np.zeros(width, np.float32)
        for here in range(0, length, num_at_once):
            upto = min(length, here + num_at_once)
            np.dot(rows_LD[here:upto].T, roots_L[here:upto], part_D)
            residual_D += part_D
        _multiply(rows_LD, gramian_DD, l2_R[row], x_D, num_at_once, products_L, part_D, image_D)
        residual_D -= image_D
        direction_D = residual_D.copy()
        size = np.dot(residual_D, residual_D)
        enough = np.float32(1e-12) * size
        for _ in range(num_steps):
            if size <= enough:
                break
            _multiply(rows_LD, gramian_DD, l2_R[row], direction_D, num_at_once, products_L, part_D, image_D)
            step = size / np.dot(direction_D, image_D)
            for d in range(width):
                x_D[d] += step * direction_D[d]
                residual_D[d] -= step * image_D[d]
            last_size, size = size, np.dot(residual_D, residual_D)
            for d in range(width):
                direction_D[d] = residual_D[d] + size / last_size * direction_D[d]


@compiled
def _multiply(
    rows_LD: NDArray[np.float32],
    gramian_DD: NDArray[np.float32],
    l2: float,
    vector_D: NDArray[np.float32],
    num_at_once: int,
    products_L: NDArray[np.float32],
    part_D: NDArray[np.float32],
    image_D: NDArray[np.float32],
) -> None:
    """Write the system times a vector into `image_D`."""
    np.dot(gramian_DD, vector_D, image_D)
    for d in range(vector_D.shape[0]):
        image_D[d] += l2 * vector_D[d]
    for here in range(0, rows_LD.shape[0], num_at_once):
        upto = min(rows_LD.shape[0], here + num_at_once)
        np.dot(rows_LD[here:upto], vector_D, products_L[here:upto])
        np.dot(rows_LD[here:upto].T, products_L[here:upto], part_D)
        for d in range(vector_D.shape[0]):
            image_D[d] += part_D[d]
