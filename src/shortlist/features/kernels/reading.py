"""The kernel of `KeyedColumns`: whatever a request reads by key goes into its matrix, in one call.

A call from Python costs more than reading a few keys does, and a declaration keeps dozens of sums.

C candidates, A attributes, K keys, S steps of which the first N find keys, P windowed columns.

    steps  int64[S, 5]  KIND, AT (the first of a structure's arrays in the table), and three more by kind:
        EVERYTHING                 the one key of what is kept by nothing
        OF_USER, OF_ITEM  place    the words of the user or of the candidates there, as keys; 0 are their ids
        PAIRS             a, b     the slots of the pairs of the keys that steps a and b found
        SUMS              a, b, c  rows b to c of the program, from a track kept by the keys of step a
        LATEST            a, b     column b, from last times kept by the keys of step a

Candidates that share a key form a group, and what is kept of it is read once: `groups` int64[N, C] say
which of a step's keys each candidate has.
"""

from __future__ import annotations

import numpy as np

from shortlist.compiled import compiled
from shortlist.features.kernels.addresses import matrix, vector
from shortlist.features.kernels.arrays import Int64s
from shortlist.features.kernels.columns import Float32s, Float64s, fill_recency, fill_windowed
from shortlist.features.kernels.distinct import distinct
from shortlist.features.kernels.key_index import find_rows

EVERYTHING, OF_USER, OF_ITEM, PAIRS, SUMS, LATEST = 0, 1, 2, 3, 4, 5
IDS = 0


@compiled
def _keys_of_items(words: Int64s, place: int, keys: Int64s, group: Int64s) -> int:
    if place != IDS:
        return distinct(words[place], keys, group)
    for c in range(len(group)):
        keys[c], group[c] = words[IDS, c], c
    return len(group)


@compiled
def _slots_of_pairs(
    table: Int64s, at: int, keys: Int64s, groups: Int64s, nums: Int64s, a: int, b: int, step: int
) -> int:
    """Find the slots of one part with each key of the other, or of the two parts of each candidate."""
    is_cross = nums[a] != 1 and nums[b] != 1
    num_keys: int = groups.shape[1] if is_cross else nums[a] * nums[b]
    ones, others = np.empty(num_keys, dtype=np.int64), np.empty(num_keys, dtype=np.int64)
    for k in range(num_keys):
        ones[k] = keys[a, groups[a, k] if is_cross else min(k, nums[a] - 1)]
        others[k] = keys[b, groups[b, k] if is_cross else min(k, nums[b] - 1)]
    find_rows(vector(table, at), matrix(table, at + 1), ones, others, keys[step, :num_keys])
    grouped = b if nums[a] == 1 else a
    for c in range(groups.shape[1]):
        groups[step, c] = c if is_cross else groups[grouped, c]
    return num_keys


@compiled
def read_keyed(
    table: Int64s,
    steps: Int64s,
    num_finding: int,
    of_user: Int64s,
    of_items: Int64s,
    now_us: int,
    program: Int64s,
    priors: Float64s,
    out: Float32s,
) -> None:
    """Run the steps.

    Args:
        table: of the structures' arrays, see `addresses`.
        steps: int64[S, 5].
        num_finding: N.
        of_user: words int64[A, 1].
        of_items: words int64[A, C].
        now_us: the request's moment.
        program: int64[P, 4], see `columns`.
        priors: float64[P, 2], see `columns.fill_windowed`.
        out: float32[F, C], the matrix.
    """
    num_candidates = out.shape[1]
    keys = np.zeros((num_finding, max(num_candidates, 1)), dtype=np.int64)
    groups = np.zeros((num_finding, num_candidates), dtype=np.int64)
    nums = np.ones(num_finding, dtype=np.int64)
    for step in range(steps.shape[0]):
        kind, at, a, b, c = steps[step]
        if kind == OF_USER:
            keys[step, 0] = of_user[a, 0]
        elif kind == OF_ITEM:
            nums[step] = _keys_of_items(of_items, a, keys[step], groups[step])
        elif kind == PAIRS:
            nums[step] = _slots_of_pairs(table, at, keys, groups, nums, a, b, step)
        elif kind == SUMS:
            fill_windowed(
                matrix(table, at), matrix(table, at + 1), matrix(table, at + 3),
                keys[a, : nums[a]], groups[a], now_us, program[b:c], priors[b:c], out,
            )  # fmt: skip
        elif kind == LATEST:
            fill_recency(vector(table, at), keys[a, : nums[a]], groups[a], now_us, b, out)
