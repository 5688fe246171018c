"""The fourth phase: the re-rankers, in order; one that is late or broken leaves the order as it was.

C candidates.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from shortlist.pipeline.crew import CLOSED, Lane, told
from shortlist.pipeline.named import Named
from shortlist.pipeline.record import Record
from shortlist.pipeline.trace import StageTrace
from shortlist.stages.contract import Items, Query, Reranker, Slate


class Rearranging:
    """One slate on its way through the re-rankers. A worker runs it; it may be left behind at any step.

    Every step is published as a whole, in `steps`: the slate after it, the ms, what went wrong.
    """

    def __init__(self, rerankers: Sequence[Named[Reranker]], lane: Lane, slate: Slate) -> None:
        self._rerankers, self._lane = rerankers, lane
        self._slate = slate
        self.steps: tuple[tuple[Slate, float, str], ...] = ()
        self.trouble: str | None = None
        self.started_s = time.perf_counter()

    def run(self, query: Query) -> None:
        """Pass the slate from re-ranker to re-ranker."""
        if not len(self._slate):
            return
        if not self._lane.is_open:
            self.trouble = CLOSED
            return
        slate, same = self._slate, np.sort(self._slate.items)
        for one in self._rerankers:
            started_s = time.perf_counter()
            trouble = ""
            try:
                reordered = one.run(query, slate)
                _check(reordered, same)
                slate = reordered
            except BaseException as error:
                trouble = told(error)
            self.steps += ((slate, 1000 * (time.perf_counter() - started_s), trouble),)

    def report(self, record: Record, trouble: str | None) -> None:
        """Write down every state of the slate, the last one last; `trouble` as for the other phases."""
        steps, count = self.steps, len(self._slate)
        record.slates.append(("", self._slate))
        for one, (after, elapsed_ms, failed) in zip(self._rerankers, steps, strict=False):
            if failed:
                record.degraded.append(f"reranker {one.name}: {failed}")
            over = count - after.num_clean
            note = failed or (f"{over} behind the rest" if over else "")
            record.slates.append((one.name, after))
            record.stages.append(StageTrace(one.name, "reranker", count, count, {}, elapsed_ms, note))
        if trouble is None:
            return
        elapsed_ms = 1000 * (time.perf_counter() - self.started_s)
        for one in self._rerankers[len(steps) :]:
            record.degraded.append(f"reranker {one.name}: {trouble}")
            record.stages.append(StageTrace(one.name, "reranker", count, count, {}, elapsed_ms, trouble))


def _check(slate: Slate, same: Items) -> None:
    if not np.array_equal(np.sort(slate.items), same):
        raise ValueError("expected the same candidates in another order: only filters drop")
    rows = {len(slate.items), len(slate.scores), len(slate.sources), len(slate.propensities)}
    if len(rows) > 1 or not 0 <= slate.num_clean <= len(slate):
        raise ValueError(f"expected {len(slate)} rows of everything, at most so many clean")
