"""The online fold: a program for each use of the plan, which one kernel runs over the rows of a batch.

Shape legend: N rows of a batch, K rows of keys, L lanes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from shortlist.features.batch import Fold
from shortlist.features.kept import KeptState, LastTimes
from shortlist.features.kernels.addresses import ArrayTable
from shortlist.features.kernels.arena import TileArena
from shortlist.features.kernels.arrays import as_int64
from shortlist.features.kernels.folding import ITEMS, LATEST, PAIRS, SUMS, fold_rows
from shortlist.features.kernels.key_index import PairIndex
from shortlist.features.kernels.recent import RecentItems
from shortlist.features.resolve import Resolver
from shortlist.features.uses import Use

_NUM_ARRAYS = 4  # that a structure has at most
_Kept = PairIndex | TileArena | LastTimes | RecentItems


class _Step(NamedTuple):
    """A step of a program, see `folding`; `find` returns what it adds to, which may be replaced meanwhile."""

    find: Callable[[], _Kept]
    kind: int
    key: int
    a: int = 0
    b: int = 0


class Folder:
    """Folds batches into what is kept.

    Args:
        resolver: with the pairs of ids.
        kept: sums, last times and histories.
    """

    def __init__(self, resolver: Resolver, kept: KeptState) -> None:
        self._programs = [_Program(_steps(use, kept)) for use in resolver.uses]

    def fold(self, folds: Sequence[Fold]) -> None:
        """Number new pairs of ids, and add the rows."""
        for fold in folds:
            self._programs[fold.number].run(fold)


class _Program:
    def __init__(self, steps: list[_Step]) -> None:
        self._steps = steps
        self._table = ArrayTable(_NUM_ARRAYS * len(steps))
        self._program = np.array(
            [(step.kind, _NUM_ARRAYS * at, step.key, step.a, step.b) for at, step in enumerate(steps)],
            np.int64,
        )

    def run(self, fold: Fold) -> None:
        keys, times_us, lanes = fold.keyed.keys, as_int64(fold.keyed.rows.times_us), fold.lanes
        latest_us = int(times_us[-1])
        for at, step in enumerate(self._steps):
            kept = step.find()
            kept.locate(self._table, _NUM_ARRAYS * at)
            if isinstance(kept, TileArena):
                kept.latest_us = latest_us
        at, row = fold_rows(self._table.rows, self._program, keys, times_us, lanes, 0)
        while at < len(self._steps):
            _add_from(row, self._steps[at], keys, times_us, lanes)
            at, row = fold_rows(self._table.rows, self._program, keys, times_us, lanes, at + 1)


def _steps(use: Use, kept: KeptState) -> list[_Step]:
    layout, rows = use.layout, use.layout.rows
    steps = [
        _Step(partial(getattr, space, "pairs"), PAIRS, rows[space], *layout.parts_of[space])
        for space in use.spaces
        if space.pairs is not None
    ]
    for one in use.tracks:
        track, start = use.lanes[one.lanes]
        arena = partial(kept.arenas.__getitem__, one.number)
        steps.append(_Step(arena, SUMS, rows[one.space], start, track.num_lanes))
    for number, space in use.recencies:
        steps.append(_Step(partial(kept.last_times.__getitem__, number), LATEST, rows[space]))
    for name, space in use.histories:
        history = partial(kept.histories.__getitem__, name)
        steps.append(_Step(history, ITEMS, rows[space], layout.item_row))
    return steps


def _add_from(row: int, step: _Step, keys: np.ndarray, times_us: np.ndarray, lanes: np.ndarray) -> None:
    """Take rows from one on through a step by the structure's own means, which make the room it needs."""
    kept, key, times_us, num_rows = step.find(), keys[step.key, row:], times_us[row:], len(times_us)
    if isinstance(kept, PairIndex):
        key[:] = kept.insert(keys[step.a, row:], keys[step.b, row:])
    elif isinstance(kept, TileArena):
        values = lanes[num_rows * step.a : num_rows * (step.a + step.b)].reshape(num_rows, step.b)
        kept.add(key, times_us, values[row:])
    elif isinstance(kept, LastTimes):
        kept.add(key, times_us)
    else:
        kept.add(key, keys[step.a, row:], times_us)
