"""The way of one request from the sources to the slate, walked by a worker, looked after by a watcher.

The worker does one phase after the other. The watcher is whoever waits for the answer: a thread, or an
event loop's timer. At each deadline it asks `overdue`. When the worker is stuck in a stage, the request
is taken from it: the phase counts as late, its lane is closed until the worker has come back, and another
worker goes on with what there is. At the last deadline what there is becomes the answer.

So a healthy request is one call on one thread, and one that meets a stage that hangs costs a thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from shortlist.pipeline.crew import Crew
from shortlist.pipeline.deadline import Deadlines
from shortlist.pipeline.leg import Hold, Leg, Place, TakenOver
from shortlist.pipeline.merge import NOBODY, Candidates
from shortlist.pipeline.narrow import Narrowing
from shortlist.pipeline.phases import Phase, Phases
from shortlist.pipeline.rank import Ranking, in_source_order
from shortlist.pipeline.rearrange import Rearranging
from shortlist.pipeline.record import Record
from shortlist.pipeline.retrieve import Retrieval
from shortlist.pipeline.trace import StageTrace
from shortlist.stages.contract import Query, Slate

FALLBACK = "fallback"
"""The stand-in for sources that brought nothing: the most popular items, see `fallback`."""

_GRACE = 0.05  # of the budget: a stage that began just before its deadline is not stuck yet


class Passage:
    """One request on its way.

    Args:
        phases: of the surface.
        query: the request.
        by: its deadlines.
        width: how many candidates may pass from the sources to the filters.
        crew: the threads.
        done: called once, with the record, by whoever ends the way.
    """

    def __init__(
        self,
        phases: Phases,
        query: Query,
        by: Deadlines,
        width: int,
        crew: Crew,
        done: Callable[[Record], None],
    ) -> None:
        self._phases, self._query, self._by, self._crew, self._done = phases, query, by, crew, done
        self.record = Record()
        self._retrieval = Retrieval(phases.retrieve, width, self.record)
        self._narrowing: Narrowing | None = None
        self._ranking: Ranking | None = None
        self._rearranging: Rearranging | None = None
        self._phase = Phase.SOURCES
        self._due_s = by.sources_s
        self._kept = NOBODY
        self._hold = Hold()
        self._hold.leg = Leg(self._hold)

    @property
    def due_s(self) -> float:
        """When to ask whether it is `overdue`, a moment of `time.perf_counter`."""
        return self._due_s

    def send(self) -> None:
        """Have a worker of the crew walk."""
        assert self._hold.leg is not None
        self._crew.start(partial(self._walk, self._hold.leg))

    def walk(self) -> None:
        """Walk on this thread."""
        assert self._hold.leg is not None
        self._walk(self._hold.leg)

    def overdue(self) -> bool:
        """Look after a request whose deadline has come; tell whether `due_s` should be waited for again."""
        now_s, new = time.perf_counter(), None
        with self._hold.lock:
            leg = self._hold.leg
            if leg is None:
                return False
            if now_s < self._due_s:
                return True
            has_time = now_s < self._by.rerankers_s
            if has_time:
                new = self._take_over(leg, now_s)
            else:
                self._end(leg)
                self._hold.leg = None
        if new is not None:
            self._crew.start(partial(self._walk, new))
        if not has_time:
            self._done(self.record)
        return has_time

    def _walk(self, leg: Leg) -> None:
        try:
            if self._phase is Phase.SOURCES:
                self._retrieval.run(leg, self._query, self._crew, self._by.sources_s)
                self._go_on(leg, Phase.FILTERS)
            if self._phase is Phase.FILTERS:
                self._filter(leg)
                self._go_on(leg, Phase.RANKER)
            if self._phase is Phase.RANKER:
                slate = self._ranked(leg)
                with leg:
                    leg.place = None
                    self._start_rearranging(slate)
            assert self._rearranging is not None
            self._rearranging.run(leg, self._query)
            with leg:
                self._hold.leg = None
        except TakenOver:
            return
        finally:
            leg.came_back()
        self._done(self.record)

    def _go_on(self, leg: Leg, phase: Phase) -> None:
        with leg:
            leg.place = None
            self._begin(phase)

    def _begin(self, phase: Phase) -> None:
        self._phase = phase
        by = self._by
        self._due_s = max(self._due_s, (by.sources_s, by.filters_s, by.ranker_s, by.rerankers_s)[phase])

    def _filter(self, leg: Leg) -> None:
        self._narrow(leg, self.record.candidates)
        if len(self._kept):
            return
        fallback = self._phases.standby.fallback
        for rung in fallback.rungs(self._query):
            stand_in = fallback.lists[rung]
            with leg:
                self._show_instead(stand_in.candidates)
            is_trouble = self._narrow(leg, stand_in.candidates)
            with leg:
                if len(self._kept):
                    self.record.degraded.append(f"no candidates: {stand_in.name} instead")
                    return
                if is_trouble:
                    self._stand_by()
                    return
        with leg:
            self.record.degraded.append("no candidates: nothing to show")

    def _narrow(self, leg: Leg, candidates: Candidates) -> bool:
        """Pass candidates through the filters; tell whether a filter was late or broken."""
        phases = self._phases
        narrowing = Narrowing(phases.filters, candidates, self.record)
        with leg:
            self._narrowing = narrowing
        narrowing.run(leg, self._query)
        with leg:
            self._kept = narrowing.kept
        return narrowing.is_trouble

    def _ranked(self, leg: Leg) -> Slate:
        phases = self._phases
        if phases.ranker is None or self.record.is_fallback:
            return in_source_order(self._kept)
        ranking = Ranking(phases.ranker, self._kept, self.record)
        with leg:
            self._ranking = ranking
        ranking.run(leg, self._query, self._by.ranker_s)
        return ranking.slate

    def _start_rearranging(self, slate: Slate) -> None:
        self._begin(Phase.RERANKERS)
        self._rearranging = Rearranging(self._phases.rerankers, slate, self.record)

    def _stand_by(self) -> None:
        """Take the list that was filtered beforehand."""
        ready = self._phases.standby.ready(self._query)
        self._kept = NOBODY if ready is None else ready.candidates
        self._show_instead(self._kept)
        instead = "nothing to show" if ready is None else f"{ready.name} that anybody may see instead"
        self.record.degraded.append(f"no candidates: {instead}")

    def _show_instead(self, candidates: Candidates) -> None:
        self.record.is_fallback = True
        self.record.stages.append(StageTrace(FALLBACK, "fallback", 0, len(candidates)))

    def _take_over(self, leg: Leg, now_s: float) -> Leg | None:
        """Take the request from a worker that is stuck; None when it is not, or not yet."""
        place = leg.place
        if place is None or self._phase is Phase.RERANKERS:
            # It waits for its turn, or for sources that have their own deadline, or has all it needs.
            by = self._by
            self._due_s = min(at_s for at_s in (by.filters_s, by.ranker_s, by.rerankers_s) if at_s > now_s)
            return None
        stuck_from_s = place.since_s + _GRACE * (self._by.rerankers_s - self._by.sources_s)
        if now_s < stuck_from_s:
            self._due_s = min(stuck_from_s, self._by.rerankers_s)
            return None
        new = self._hold.leg = Leg(self._hold)
        self._give_up(leg.leave_behind())
        return new

    def _give_up(self, place: Place) -> None:
        """Skip what the worker is stuck in."""
        if self._phase is Phase.SOURCES:
            self._retrieval.give_up(place)
            self._due_s = self._by.filters_s
            return
        if self._phase is Phase.FILTERS:
            assert self._narrowing is not None
            self._narrowing.give_up(place)
            self._stand_by()
        else:
            assert self._ranking is not None
            self._ranking.give_up(place)
        self._start_rearranging(in_source_order(self._kept))

    def _end(self, leg: Leg) -> None:
        """Make an answer of what there is."""
        place = None if leg.place is None else leg.leave_behind()
        if self._phase is Phase.RERANKERS and self._rearranging is not None:
            self._rearranging.give_up(place)
            return
        if place is not None and self._phase is Phase.SOURCES:
            self._retrieval.give_up(place)
        elif place is not None:
            self._give_up(place)
        if self._phase is Phase.SOURCES:
            self._retrieval.close()
            self.record.degraded.append("everything: late")
        if self._rearranging is None:
            if self._phase < Phase.RANKER:
                self._stand_by()
            self._start_rearranging(in_source_order(self._kept))
