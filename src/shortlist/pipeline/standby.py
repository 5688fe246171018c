"""What is shown when nothing else can be: the most popular items that anybody may see, kept ready.

A filter that is late or broken lets nothing pass, and a request that is late altogether has no candidates.
For both, this list was filtered beforehand, for somebody of whom nothing is known. In Kleene's logic, in
which conditions are evaluated, what holds when a value is unknown holds whatever the value is: what a
condition lets pass for nobody in particular it lets pass for everybody. Only what a user has seen
already is not known here.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from functools import partial

from shortlist.features.online import OnlineState
from shortlist.pipeline.crew import Crew
from shortlist.pipeline.leg import Hold, Leg, TakenOver
from shortlist.pipeline.merge import Candidates
from shortlist.pipeline.named import Named
from shortlist.pipeline.narrow import NOBODY, Narrowing
from shortlist.pipeline.record import Record
from shortlist.stages.contract import Filter, Query

REFRESH_S = 5.0
MAX_AGE_S = 60.0
"""An item that was blocked since then may still be in the list: after this long it is not shown any more."""

_PATIENCE_S = 1.0


class Standby:
    """The list of one surface.

    Args:
        popular: the most popular items of the release, best first.
        filters: of the surface.
    """

    def __init__(self, popular: Candidates, filters: Sequence[Named[Filter]]) -> None:
        self.popular = popular
        self._filters = filters
        self._kept = NOBODY
        self._made_s = -math.inf

    def refresh(self, state: OnlineState, crew: Crew, k: int) -> None:
        """Filter the list anew if it is older than `REFRESH_S`; if that fails it stays as it is."""
        if time.monotonic() - self._made_s < REFRESH_S:
            return
        hold = Hold()
        leg = hold.leg = Leg(hold)
        query = Query(-1, k, state.moment(0), {}, seed=0, state=state)
        if not crew.start(partial(self._filter, leg, query)).wait(time.perf_counter() + _PATIENCE_S):
            with hold.lock:
                hold.leg = None
                if leg.place is not None:
                    leg.leave_behind()

    def candidates(self) -> Candidates:
        """Return the list; empty when it is too old to be trusted."""
        return self._kept if time.monotonic() - self._made_s < MAX_AGE_S else NOBODY

    def _filter(self, leg: Leg, query: Query) -> None:
        narrowing = Narrowing(self._filters, self.popular, Record())
        try:
            narrowing.run(leg, query)
        except TakenOver:
            return
        finally:
            leg.came_back()
        if not narrowing.is_trouble:
            self._kept, self._made_s = narrowing.kept, time.monotonic()
