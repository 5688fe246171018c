"""The fourth phase: the re-rankers, in order; one that is late or broken leaves the order as it was.

C candidates.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from shortlist.pipeline.crew import Crew, Lane
from shortlist.pipeline.named import Named
from shortlist.pipeline.record import Record
from shortlist.pipeline.trace import StageTrace
from shortlist.stages.contract import Query, Reranker, Slate


class _Rearranging:
    """How far the re-rankers came; published step by step as a whole, for it may be left behind."""

    def __init__(self, slate: Slate) -> None:
        self.steps: tuple[tuple[Slate, float, str], ...] = ()  # after, ms, trouble
        self.slate = slate

    def run(self, rerankers: Sequence[Named[Reranker]], query: Query) -> None:
        same = np.sort(self.slate.items)
        for one in rerankers:
            started_s = time.perf_counter()
            trouble = ""
            try:
                slate = one.run(query, self.slate)
                if not np.array_equal(np.sort(slate.items), same):
                    raise ValueError("expected the same candidates in another order: only filters drop")
                self.slate = slate
            except Exception as error:
                trouble = f"failed: {type(error).__name__}: {error}".rstrip(": ")
            self.steps += ((self.slate, 1000 * (time.perf_counter() - started_s), trouble),)


class Rearrange:
    """The re-rankers of a surface."""

    def __init__(self, rerankers: Sequence[Named[Reranker]], crew: Crew) -> None:
        self._rerankers = tuple(rerankers)
        self._lane = Lane(crew)

    def run(self, slate: Slate, query: Query, record: Record, deadline_s: float) -> None:
        """Order a slate and put every state of it on record, the last one last."""
        record.slates.append(("", slate))
        if not self._rerankers or not len(slate):
            return
        rearranging = _Rearranging(slate)
        outcome = self._lane.attempt(lambda: rearranging.run(self._rerankers, query), deadline_s)
        steps = rearranging.steps
        for one, (after, elapsed_ms, trouble) in zip(self._rerankers, steps, strict=False):
            if trouble:
                record.degraded.append(f"reranker {one.name}: {trouble}")
            over = len(after) - after.num_clean
            note = trouble or (f"{over} behind the rest" if over else "")
            record.slates.append((one.name, after))
            record.stages.append(
                StageTrace(one.name, "reranker", len(slate), len(after), {}, elapsed_ms, note)
            )
        if outcome.trouble is not None:
            for one in self._rerankers[len(steps) :]:
                record.degraded.append(f"reranker {one.name}: {outcome.trouble}")
                record.stages.append(
                    StageTrace(
                        one.name, "reranker", len(slate), len(slate), {}, outcome.elapsed_ms, outcome.trouble
                    )
                )
