"""The kernel of `Folder`: the rows of a source go into everything that is kept of them, in one call.

A call from Python costs more than folding a slate does, and a declaration keeps dozens of sums.

K keys, N rows, A arrays, P steps.

    keys     int64[K, N]   codes of the parts of keys, and the slots of pairs of them
    lanes    int64[N * L]  what the rows add: one int64[N, width] after another, each from N * its start
    program  int64[P, 5]   KIND, AT (the first of a structure's arrays in the table), KEY (its row of keys),
                           and A, B: of pairs the rows of keys that are paired, of sums the start and width
                           of their lanes, of items the row of keys that holds them
"""

from __future__ import annotations

from shortlist.compiled import compiled
from shortlist.features.kernels.addresses import matrix, vector
from shortlist.features.kernels.arrays import Int64s
from shortlist.features.kernels.key_index import insert_rows
from shortlist.features.kernels.latest import put_latest
from shortlist.features.kernels.recent import add_items
from shortlist.features.kernels.tiles import add_rows

KIND, AT, KEY, A, B = 0, 1, 2, 3, 4
PAIRS, SUMS, LATEST, ITEMS = 0, 1, 2, 3


@compiled
def fold_rows(
    table: Int64s, program: Int64s, keys: Int64s, times_us: Int64s, lanes: Int64s, first_step: int
) -> tuple[int, int]:
    """Run a program from `first_step`; return the step that found no room and its row, P and N when done."""
    num_rows = times_us.shape[0]
    for step in range(first_step, program.shape[0]):
        kind, at, key = program[step, KIND], program[step, AT], keys[program[step, KEY]]
        a, b = program[step, A], program[step, B]
        if kind == PAIRS:
            row = insert_rows(
                vector(table, at), matrix(table, at + 1), vector(table, at + 2), keys[a], keys[b], key, 0
            )
        elif kind == SUMS:
            values = lanes[num_rows * a : num_rows * (a + b)].reshape((num_rows, b))
            row = add_rows(
                matrix(table, at), matrix(table, at + 1), vector(table, at + 2), matrix(table, at + 3),
                key, times_us, values, 0,
            )  # fmt: skip
        elif kind == LATEST:
            row = 0 if put_latest(vector(table, at), key, times_us) > 0 else num_rows
        else:
            row = add_items(
                matrix(table, at), matrix(table, at + 1), vector(table, at + 2), key, keys[a], times_us, 0
            )
        if row < num_rows:
            return step, row
    return program.shape[0], num_rows
