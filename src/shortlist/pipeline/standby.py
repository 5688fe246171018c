"""What is shown when nothing else can be: the most popular items that anybody may see, kept ready.

A filter that is late or broken lets nothing pass, and a request that is late altogether has no candidates.
For both, everybody's list and each segment's were filtered beforehand, for somebody of whom nothing is
known. In Kleene's logic, in which conditions are evaluated, what holds when a value is unknown holds
whatever the value is: what a condition lets pass for nobody in particular it lets pass for everybody, those
of the segment too. Only what a user has seen already is not known here.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from shortlist.features.online import OnlineState
from shortlist.pipeline.crew import Crew
from shortlist.pipeline.fallback import Fallback, StandIn
from shortlist.pipeline.leg import Hold, Leg, TakenOver
from shortlist.pipeline.merge import NOBODY, Candidates
from shortlist.pipeline.named import Named
from shortlist.pipeline.narrow import Narrowing
from shortlist.pipeline.record import Record
from shortlist.stages.contract import Filter, Query

REFRESH_S = 5.0
MAX_AGE_S = 60.0
"""An item that was blocked since then may still be in the list: after this long it is not shown any more."""

_PATIENCE_S = 1.0


@dataclass(frozen=True)
class _Filtered:
    """What passed the filters, and when."""

    kept: Candidates = NOBODY
    made_s: float = -math.inf

    @property
    def age_s(self) -> float:
        return time.monotonic() - self.made_s


class Standby:
    """The lists of one surface.

    Args:
        fallback: the lists, unfiltered.
        filters: of the surface.
    """

    def __init__(self, fallback: Fallback, filters: Sequence[Named[Filter]]) -> None:
        self.fallback = fallback
        self._filters = filters
        self._filtered = [_Filtered() for _ in fallback.lists]

    def refresh(self, state: OnlineState, crew: Crew, k: int) -> None:
        """Filter anew the lists older than `REFRESH_S`; one for which that fails stays as it is."""
        due = [place for place, filtered in enumerate(self._filtered) if filtered.age_s >= REFRESH_S]
        if not due:
            return
        hold = Hold()
        leg = hold.leg = Leg(hold)
        query = Query(-1, k, state.moment(0), {}, seed=0, state=state)
        if not crew.start(partial(self._filter, leg, query, due)).wait(time.perf_counter() + _PATIENCE_S):
            with hold.lock:
                hold.leg = None
                if leg.place is not None:
                    leg.leave_behind()

    def ready(self, query: Query) -> StandIn | None:
        """Return a query's first list of which anything is left; None when all are too old to be trusted."""
        for rung in self.fallback.rungs(query):
            filtered = self._filtered[rung]
            if len(filtered.kept) and filtered.age_s < MAX_AGE_S:
                return StandIn(self.fallback.lists[rung].name, filtered.kept)
        return None

    def _filter(self, leg: Leg, query: Query, due: Sequence[int]) -> None:
        try:
            for place in due:
                narrowing = Narrowing(self._filters, self.fallback.lists[place].candidates, Record())
                narrowing.run(leg, query)
                if not narrowing.is_trouble:
                    self._filtered[place] = _Filtered(narrowing.kept, time.monotonic())
        except TakenOver:
            return
        finally:
            leg.came_back()
