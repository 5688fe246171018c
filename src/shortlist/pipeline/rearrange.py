"""The fourth phase: the re-rankers, in order; one that is late or broken leaves the order as it was.

C candidates.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from shortlist.features.kernels.arrays import as_int64
from shortlist.pipeline.crew import CLOSED, NO_TIME, late, told
from shortlist.pipeline.leg import Leg, Place
from shortlist.pipeline.named import Named
from shortlist.pipeline.record import Record
from shortlist.pipeline.trace import StageTrace
from shortlist.stages.contract import Items, Query, Reranker, Slate
from shortlist.stages.kernels import is_reordered


class Rearranging:
    """One slate on its way through the re-rankers; the slate after each is published, in the record."""

    def __init__(self, rerankers: Sequence[Named[Reranker]], slate: Slate, record: Record) -> None:
        self._rerankers, self._record = rerankers, record
        self._num_done = 0
        record.slates.append(("", slate))

    def run(self, leg: Leg, query: Query) -> None:
        """Pass the slate from re-ranker to re-ranker."""
        slate = self._record.slates[-1][1]
        if not len(slate):
            return
        candidates = slate.items
        for one in self._rerankers:
            since_s, trouble = time.perf_counter(), ""
            if not one.lane.is_open:
                with leg:
                    self._num_done += 1
                    self._note(one.name, slate, CLOSED, 0.0)
                continue
            since_s = leg.enter(one.lane)
            try:
                reordered = one.run(query, slate)
                _check(reordered, candidates)
                slate = reordered
            except BaseException as error:
                trouble = told(error)
            elapsed_ms = 1000 * (time.perf_counter() - since_s)
            with leg:
                self._num_done += 1
                self._note(one.name, slate, trouble, elapsed_ms)

    def give_up(self, place: Place | None) -> None:
        """Note that the re-ranker in which the worker is stuck, if it is, is late, and the others with it."""
        if place is None:
            self._skip_rest(NO_TIME, 0.0)
        else:
            self._skip_rest(late(place.since_s), 1000 * (time.perf_counter() - place.since_s))

    def _note(self, name: str, slate: Slate, trouble: str, elapsed_ms: float) -> None:
        if trouble:
            self._record.degraded.append(f"reranker {name}: {trouble}")
        over, count = len(slate) - slate.num_clean, len(slate)
        note = trouble or (f"{over} behind the rest" if over else "")
        self._record.slates.append((name, slate))
        self._record.stages.append(StageTrace(name, "reranker", count, count, {}, elapsed_ms, note))

    def _skip_rest(self, trouble: str, elapsed_ms: float) -> None:
        count = len(self._record.slates[-1][1])
        for one in self._rerankers[self._num_done :]:
            self._record.degraded.append(f"reranker {one.name}: {trouble}")
            self._record.stages.append(
                StageTrace(one.name, "reranker", count, count, {}, elapsed_ms, trouble)
            )


def _check(slate: Slate, candidates: Items) -> None:
    items = np.asarray(slate.items)
    if items.shape != candidates.shape or not is_reordered(as_int64(items), as_int64(candidates)):
        raise ValueError("expected the same candidates in another order: only filters drop")
    rows = {len(slate.items), len(slate.scores), len(slate.sources), len(slate.propensities)}
    if len(rows) > 1 or not 0 <= slate.num_clean <= len(slate):
        raise ValueError(f"expected {len(slate)} rows of everything, at most so many clean")
