"""The forward pass of a cross network, compiled: a block of rows together, a row in each lane of a register.

Every row of a block goes through the same operations in the same order, and what pads the last block is
thrown away: so a row's answer has the same bits in any company, which a matrix product does not promise.

N rows, F columns, S slots, E width of an embedding, D = F * E, L layers, R rank,
H hidden units, T tasks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist.compiled import compiled

_ROWS = 64  # of a block


@compiled
def _add_product(
    weights_MK: NDArray[np.float32], inputs_KB: NDArray[np.float32], sums_MB: NDArray[np.float32]
) -> None:
    """Add to each sum the products of a row of weights with the inputs, input by input."""
    for m in range(weights_MK.shape[0]):
        for k in range(weights_MK.shape[1]):
            weight = weights_MK[m, k]
            for row in range(_ROWS):
                sums_MB[m, row] += weight * inputs_KB[k, row]


@compiled
def forward(
    places_NF: NDArray[np.float32],
    slot_starts_F: NDArray[np.int64],
    table_SW: NDArray[np.float32],
    down_LRD: NDArray[np.float32],
    up_LDR: NDArray[np.float32],
    bias_LD: NDArray[np.float32],
    hidden_HD: NDArray[np.float32],
    hidden_bias_H: NDArray[np.float32],
    cross_head_TD: NDArray[np.float32],
    hidden_head_TH: NDArray[np.float32],
    base_T: NDArray[np.float32],
    log_odds_NT: NDArray[np.float32],
) -> None:
    """Write the log-odds of every task.

    A row of the table is a slot's vector, then what the slot adds to each task by itself (W = E + T); the
    table ends with a spare row.
    """
    num_rows, num_columns = places_NF.shape
    num_tasks = len(base_T)
    width = table_SW.shape[1] - num_tasks
    first_DB = np.zeros((num_columns * width, _ROWS), np.float32)
    crossed_DB = np.zeros((num_columns * width, _ROWS), np.float32)
    mixed_DB = np.zeros((num_columns * width, _ROWS), np.float32)
    low_RB = np.zeros((down_LRD.shape[1], _ROWS), np.float32)
    units_HB = np.zeros((len(hidden_bias_H), _ROWS), np.float32)
    sums_TB = np.zeros((num_tasks, _ROWS), np.float32)
    for start in range(0, num_rows, _ROWS):
        count = min(_ROWS, num_rows - start)
        for t in range(num_tasks):
            sums_TB[t] = base_T[t]
        for row in range(count):
            for f in range(num_columns):
                place = places_NF[start + row, f]
                whole = np.int64(place)
                upper = place - np.float32(whole)
                slot = slot_starts_F[f] + whole
                lower = np.float32(1.0) - upper
                for e in range(width):
                    first_DB[f * width + e, row] = table_SW[slot, e] * lower + table_SW[slot + 1, e] * upper
                for t in range(num_tasks):
                    by_itself = table_SW[slot, width + t] * lower + table_SW[slot + 1, width + t] * upper
                    sums_TB[t, row] += by_itself
        crossed_DB[:] = first_DB
        for layer in range(len(bias_LD)):
            low_RB[:] = 0.0
            _add_product(down_LRD[layer], crossed_DB, low_RB)
            for d in range(len(mixed_DB)):
                mixed_DB[d] = bias_LD[layer, d]
            _add_product(up_LDR[layer], low_RB, mixed_DB)
            for d in range(len(mixed_DB)):
                for row in range(_ROWS):
                    crossed_DB[d, row] += first_DB[d, row] * mixed_DB[d, row]
        for h in range(len(hidden_bias_H)):
            units_HB[h] = hidden_bias_H[h]
        _add_product(hidden_HD, first_DB, units_HB)
        for h in range(len(hidden_bias_H)):
            for row in range(_ROWS):
                units_HB[h, row] = max(units_HB[h, row], np.float32(0.0))
        _add_product(cross_head_TD, crossed_DB, sums_TB)
        _add_product(hidden_head_TH, units_HB, sums_TB)
        for row in range(count):
            for t in range(num_tasks):
                log_odds_NT[start + row, t] = sums_TB[t, row]
