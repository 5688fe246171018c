"""The second phase: the filters, in order; what one drops the next does not see.

Filters fail closed. A filter may be what keeps a child from an explicit video, so one that is late
or throws lets nothing pass: all candidates it was given are dropped. The fallback list then goes
through the same filters; while the filter stays broken the slate stays empty, and the answer says why.

C candidates.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from shortlist.pipeline.crew import Crew, Lane
from shortlist.pipeline.merge import Candidates
from shortlist.pipeline.named import Named
from shortlist.pipeline.record import Record
from shortlist.pipeline.trace import StageTrace
from shortlist.stages.contract import Filter, Items, Query


class _Narrowing:
    """How far the filters came; published step by step as a whole, for it may be left behind."""

    def __init__(self, candidates: Candidates) -> None:
        self.steps: tuple[tuple[Candidates, Items, float], ...] = ()  # kept, removed, ms
        self.kept = candidates

    def run(self, filters: Sequence[Named[Filter]], query: Query) -> None:
        for one in filters:
            started_s = time.perf_counter()
            before = self.kept
            keep = np.asarray(one.run(query, before.items))
            if keep.dtype != np.bool_ or keep.shape != before.items.shape:
                raise TypeError(
                    f"expected bool[{len(before)}], received {keep.dtype}{list(keep.shape)}: "
                    "a filter says of each candidate whether it is kept"
                )
            self.kept = Candidates(before.items[keep], before.sources[keep])
            elapsed_ms = 1000 * (time.perf_counter() - started_s)
            self.steps += ((self.kept, before.items[~keep], elapsed_ms),)


class Narrow:
    """The filters of a surface."""

    def __init__(self, filters: Sequence[Named[Filter]], crew: Crew) -> None:
        self._filters = tuple(filters)
        self._lane = Lane(crew)

    def run(self, candidates: Candidates, query: Query, record: Record, deadline_s: float) -> Candidates:
        """Return the candidates that every filter keeps; none when a filter could not say."""
        if not self._filters or not len(candidates):
            return candidates
        narrowing = _Narrowing(candidates)
        outcome = self._lane.attempt(lambda: narrowing.run(self._filters, query), deadline_s)
        steps = narrowing.steps
        kept = candidates
        for one, (kept, removed, elapsed_ms) in zip(self._filters, steps, strict=False):
            num_in = len(kept) + len(removed)
            reasons = {"removed": len(removed)} if len(removed) else {}
            record.stages.append(StageTrace(one.name, "filter", num_in, len(kept), reasons, elapsed_ms))
            record.removed.append((one.name, removed))
        if outcome.trouble is None:
            return kept
        stuck = self._filters[min(len(steps), len(self._filters) - 1)].name
        record.degraded.append(f"filter {stuck}: {outcome.trouble}")
        record.removed.append((f"{stuck} ({outcome.trouble})", kept.items))
        record.stages.append(
            StageTrace(
                stuck, "filter", len(kept), 0, {"could not be checked": len(kept)},
                outcome.elapsed_ms, outcome.trouble,
            )
        )  # fmt: skip
        empty = np.empty(0, np.int64)
        return Candidates(empty, empty)
