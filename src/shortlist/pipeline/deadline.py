"""The budget of a request, split into moments by which each phase must be done."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

SOURCES_BY = 0.50
FILTERS_BY = 0.60
RANKER_BY = 0.85
RERANKERS_BY = 0.92


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Moments of `time.perf_counter`, in seconds.

    They are shares of the budget from its start, not lengths of time, so that what one phase saves
    the next may use: sources end by 50 %, filters by 60 %, features and ranker together by 85 %,
    re-rankers by 92 %. What is left belongs to the answer itself and to whoever sends it.
    """

    sources_s: float
    filters_s: float
    ranker_s: float
    rerankers_s: float

    @classmethod
    def split(cls, start_s: float, budget_ms: float) -> Deadlines:
        """Split a budget that began at `start_s`; an infinite budget waits for every stage."""
        budget_s = budget_ms / 1000
        return cls(
            start_s + SOURCES_BY * budget_s,
            start_s + FILTERS_BY * budget_s,
            start_s + RANKER_BY * budget_s,
            start_s + RERANKERS_BY * budget_s,
        )


def time_left_s(deadline_s: float) -> float:
    """Return the seconds until a deadline, never negative, perhaps infinite."""
    return deadline_s if math.isinf(deadline_s) else max(0.0, deadline_s - time.perf_counter())
