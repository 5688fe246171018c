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

from shortlist.pipeline.crew import CLOSED, Lane, told
from shortlist.pipeline.merge import Candidates
from shortlist.pipeline.named import Named
from shortlist.pipeline.record import Record
from shortlist.pipeline.trace import StageTrace
from shortlist.stages.contract import Filter, Items, Query

NOBODY = Candidates(np.empty(0, np.int64), np.empty(0, np.int64))


class Narrowing:
    """One list on its way through the filters. A worker runs it; it may be left behind at any step.

    Every step is published as a whole, in `steps`: the candidates kept, the items removed, the ms.
    """

    def __init__(self, filters: Sequence[Named[Filter]], lane: Lane, candidates: Candidates) -> None:
        self._filters, self._lane = filters, lane
        self._candidates = candidates
        self.steps: tuple[tuple[Candidates, Items, float], ...] = ()
        self.trouble: str | None = None
        self.started_s = time.perf_counter()

    @property
    def kept(self) -> Candidates:
        """The candidates that passed, once the run has ended."""
        if self.trouble is not None:
            return NOBODY
        return self.steps[-1][0] if self.steps else self._candidates

    def run(self, query: Query) -> None:
        """Pass the candidates from filter to filter."""
        if not len(self._candidates):
            return
        if not self._lane.is_open:
            self.trouble = CLOSED
            return
        kept = self._candidates
        try:
            for one in self._filters:
                started_s = time.perf_counter()
                keep = np.asarray(one.run(query, kept.items))
                if keep.dtype != np.bool_ or keep.shape != kept.items.shape:
                    raise TypeError(
                        f"expected bool[{len(kept)}], received {keep.dtype}{list(keep.shape)}: "
                        "a filter says of each candidate whether it is kept"
                    )
                removed = kept.items[~keep]
                kept = Candidates(kept.items[keep], kept.sources[keep])
                self.steps += ((kept, removed, 1000 * (time.perf_counter() - started_s)),)
        except BaseException as error:
            self.trouble = told(error)

    def report(self, record: Record, trouble: str | None) -> None:
        """Write down what happened; `trouble` says why the run did not end well, None when it did."""
        steps = self.steps
        kept = self._candidates
        for one, (kept, removed, elapsed_ms) in zip(self._filters, steps, strict=False):
            num_in = len(kept) + len(removed)
            reasons = {"removed": len(removed)} if len(removed) else {}
            record.stages.append(StageTrace(one.name, "filter", num_in, len(kept), reasons, elapsed_ms))
            record.removed.append((one.name, removed))
        if trouble is None:
            return
        # A call may be given up at the very moment in which its last filter ends.
        stuck = self._filters[min(len(steps), len(self._filters) - 1)].name
        elapsed_ms = 1000 * (time.perf_counter() - self.started_s)
        record.degraded.append(f"filter {stuck}: {trouble}")
        record.removed.append((f"{stuck} ({trouble})", kept.items))
        unchecked = {"could not be checked": len(kept)}
        record.stages.append(StageTrace(stuck, "filter", len(kept), 0, unchecked, elapsed_ms, trouble))
