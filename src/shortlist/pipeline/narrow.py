"""The second phase: the filters, in order; what one drops the next does not see.

Filters fail closed. A filter may be what keeps a child from an explicit video, so one that is late
or throws lets nothing pass: all candidates it was given are dropped.

C candidates.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from shortlist.pipeline.crew import CLOSED, late, told
from shortlist.pipeline.leg import Leg, Place
from shortlist.pipeline.merge import NOBODY, Candidates
from shortlist.pipeline.named import Named
from shortlist.pipeline.record import Record
from shortlist.pipeline.trace import StageTrace
from shortlist.stages.contract import Filter, Query


class Narrowing:
    """One list on its way through the filters; every step is published as a whole, in the record."""

    def __init__(self, filters: Sequence[Named[Filter]], candidates: Candidates, record: Record) -> None:
        self._filters, self._record = filters, record
        self._num_passed = 0
        self.kept = candidates
        self.is_trouble = False

    def run(self, leg: Leg, query: Query) -> None:
        """Pass the candidates from filter to filter."""
        if not len(self.kept):
            return
        for one in self._filters:
            if not one.lane.is_open:
                with leg:
                    self._fail(CLOSED, 0.0)
                return
            since_s = leg.enter(one.lane)
            try:
                keep, trouble = _checked(one.run(query, self.kept.items), len(self.kept)), None
            except BaseException as error:
                keep, trouble = None, told(error)
            elapsed_ms = 1000 * (time.perf_counter() - since_s)
            with leg:
                if keep is None:
                    self._fail(trouble or "", elapsed_ms)
                    return
                self._pass(one.name, keep, elapsed_ms)

    def give_up(self, place: Place) -> None:
        """Note that the filter in which the worker is stuck is late: nothing has passed it."""
        self._fail(late(place.since_s), 1000 * (time.perf_counter() - place.since_s))

    def _pass(self, name: str, keep: np.ndarray, elapsed_ms: float) -> None:
        before = self.kept
        self._num_passed += 1
        if keep.all():
            removed, reasons = before.items[:0], {}
        else:
            removed = before.items[~keep]
            self.kept = Candidates(before.items[keep], before.sources[keep])
            reasons = {"removed": len(removed)}
        self._record.removed.append((name, removed))
        self._record.stages.append(
            StageTrace(name, "filter", len(before), len(self.kept), reasons, elapsed_ms)
        )

    def _fail(self, trouble: str, elapsed_ms: float) -> None:
        # A worker may be given up at the very moment in which its last filter ends.
        stuck = self._filters[min(self._num_passed, len(self._filters) - 1)].name
        count = len(self.kept)
        self._record.degraded.append(f"filter {stuck}: {trouble}")
        self._record.removed.append((f"{stuck} ({trouble})", self.kept.items))
        self._record.stages.append(
            StageTrace(stuck, "filter", count, 0, {"could not be checked": count}, elapsed_ms, trouble)
        )
        self.kept, self.is_trouble = NOBODY, True


def _checked(keep: object, count: int) -> np.ndarray:
    keep_C = np.asarray(keep)
    if keep_C.dtype != np.bool_ or keep_C.shape != (count,):
        raise TypeError(
            f"expected bool[{count}], received {keep_C.dtype}{list(keep_C.shape)}: "
            "a filter says of each candidate whether it is kept"
        )
    return keep_C
