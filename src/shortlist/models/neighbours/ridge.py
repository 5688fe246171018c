"""Fit a linear autoencoder one item at a time, each from the items near it alone, compiled.

U users, I items, T co-occurring items known of an item, K of them that predict it, E weights kept of all.
The I x I matrix is never built: one dense row of I sums is filled and emptied for each item in turn, and its
T largest entries are kept, so memory is I x (T + M) and what a thread solves at a time, K x K.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist.compiled import compiled
from shortlist.models.neighbours.co_visits import keep_best, sort_kept


@compiled
def fill_co_occurrences(
    first_item: int,
    last_item: int,
    item_starts: NDArray[np.int64],
    users: NDArray[np.int32],
    user_values: NDArray[np.float32],
    user_starts: NDArray[np.int64],
    items: NDArray[np.int32],
    values: NDArray[np.float32],
    norms: NDArray[np.float64],
    near_IT: NDArray[np.int32],
    together_IT: NDArray[np.float32],
) -> None:
    """Write the T items with the greatest cosine to each of some items, best first, and x_i x_j of each.

    The matrix comes by items (`users` and `user_values` of each) and by users (`items` and `values` of each).
    `near_IT` comes in as -1.
    """
    num_items = near_IT.shape[0]
    row_I, touched_I = np.zeros(num_items), np.empty(num_items, np.int32)
    for item in range(first_item, last_item):
        num_touched = 0
        for entry in range(item_starts[item], item_starts[item + 1]):
            user = users[entry]
            for other in range(user_starts[user], user_starts[user + 1]):
                if row_I[items[other]] == 0.0:
                    touched_I[num_touched] = items[other]
                    num_touched += 1
                row_I[items[other]] += user_values[entry] * values[other]
        num_kept = 0
        for index in range(num_touched):
            near = touched_I[index]
            if near != item:
                cosine = float(np.float32(row_I[near] / (norms[item] * norms[near])))
                num_kept = keep_best(cosine, near, together_IT[item], near_IT[item], num_kept)
        sort_kept(together_IT[item], near_IT[item], num_kept)
        for place in range(num_kept):
            together_IT[item, place] = row_I[near_IT[item, place]]
        for index in range(num_touched):
            row_I[touched_I[index]] = 0.0


@compiled
def fit_items(
    first_item: int,
    last_item: int,
    near_IT: NDArray[np.int32],
    together_IT: NDArray[np.float32],
    squares_I: NDArray[np.float64],
    l2: float,
    weights_IK: NDArray[np.float32],
) -> None:
    """Write the weights with which the K nearest items predict each of some items, by ridge regression.

    What two of the K have in common is looked up among the T of each; a pair that neither lists counts 0.
    """
    num_predict = weights_IK.shape[1]
    place_of_I = np.full(near_IT.shape[0], -1)
    system_KK, target_K = np.empty((num_predict, num_predict)), np.empty(num_predict)
    for item in range(first_item, last_item):
        size = 0
        while size < num_predict and near_IT[item, size] >= 0:
            place_of_I[near_IT[item, size]] = size
            size += 1
        for row in range(size):
            system_KK[row, :size] = 0.0
        for row in range(size):
            near = near_IT[item, row]
            target_K[row] = together_IT[item, row]
            system_KK[row, row] = squares_I[near] + l2
            for index in range(near_IT.shape[1]):
                if near_IT[near, index] < 0:
                    break
                column = place_of_I[near_IT[near, index]]
                if column >= 0:
                    system_KK[row, column] = together_IT[near, index]
                    system_KK[column, row] = together_IT[near, index]
        _solve(system_KK, target_K, size, l2)
        for row in range(size):
            weights_IK[item, row] = target_K[row]
            place_of_I[near_IT[item, row]] = -1


@compiled
def starts_of_kept(
    near_IK: NDArray[np.int32], weights_IK: NDArray[np.float32], most: int
) -> NDArray[np.int64]:
    """Return where the list of each item starts, int64 [I + 1], if it keeps at most so many weights."""
    starts = np.zeros(near_IK.shape[0] + 1, np.int64)
    for item in range(near_IK.shape[0]):
        for place in range(near_IK.shape[1]):
            near = near_IK[item, place]
            if near >= 0 and weights_IK[item, place] != 0.0:
                starts[near + 1] += 1
    for item in range(near_IK.shape[0]):
        starts[item + 1] = starts[item] + min(starts[item + 1], most)
    return starts


@compiled
def keep_strongest(
    near_IK: NDArray[np.int32],
    weights_IK: NDArray[np.float32],
    starts: NDArray[np.int64],
    neighbours_E: NDArray[np.int32],
    weights_E: NDArray[np.float32],
) -> None:
    """Turn what predicts an item into what an item predicts: its greatest weights of either sign, in order.

    `starts` is from `starts_of_kept`, and E where it ends. While they are sorted by strength, an item's last
    bit is the sign.
    """
    num_items = near_IK.shape[0]
    num_kept_I = np.zeros(num_items, np.int64)
    for item in range(num_items):
        for place in range(near_IK.shape[1]):
            near, weight = near_IK[item, place], weights_IK[item, place]
            if near >= 0 and weight != 0.0:
                signed = 2 * item + (1 if weight < 0.0 else 0)
                strength = float(np.float32(abs(weight)))
                first, last = starts[near], starts[near + 1]
                num_kept_I[near] = keep_best(
                    strength, signed, weights_E[first:last], neighbours_E[first:last], num_kept_I[near]
                )
    for item in range(num_items):
        first, last = starts[item], starts[item + 1]
        sort_kept(weights_E[first:last], neighbours_E[first:last], num_kept_I[item])
    for entry in range(neighbours_E.shape[0]):
        signed = neighbours_E[entry]
        neighbours_E[entry] = signed // 2
        if signed % 2 == 1:
            weights_E[entry] = -weights_E[entry]


@compiled
def _solve(system: NDArray[np.float64], target: NDArray[np.float64], size: int, l2: float) -> None:
    """Solve a symmetric system in place, by Cholesky, the upper triangle row by row.

    With pairs left out it need not be positive; no pivot is let below the ridge, as none would be with all.
    """
    for row in range(size):
        pivot = np.sqrt(max(system[row, row], l2))
        system[row, row] = pivot
        for column in range(row + 1, size):
            system[row, column] /= pivot
        target[row] /= pivot
        for other in range(row + 1, size):
            factor = system[row, other]
            if factor != 0.0:
                for column in range(other, size):
                    system[other, column] -= factor * system[row, column]
                target[other] -= factor * target[row]
    for row in range(size - 1, -1, -1):
        total = target[row]
        for column in range(row + 1, size):
            total -= system[row, column] * target[column]
        target[row] = total / system[row, row]
