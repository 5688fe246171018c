"""The way of one request from the merged candidates to the slate, on one worker, within deadlines.

All of it is one call, so that a healthy request changes threads once. The thread that answers waits
for the call up to the deadline of the phase it is in; a phase that is late is left behind with its
call, its lane is closed until that call comes back, and what is published by then is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from shortlist.pipeline.crew import Call, Crew, Lane, late
from shortlist.pipeline.deadline import Deadlines
from shortlist.pipeline.merge import Candidates
from shortlist.pipeline.named import Named
from shortlist.pipeline.narrow import NOBODY, Narrowing
from shortlist.pipeline.rank import Ranker, Ranking, in_source_order
from shortlist.pipeline.rearrange import Rearranging
from shortlist.pipeline.record import Record
from shortlist.pipeline.trace import StageTrace
from shortlist.stages.contract import Filter, Query, Reranker, Slate

FALLBACK = "fallback"
"""The stand-in for sources that brought nothing: the most popular items of the release."""


@dataclass(frozen=True)
class Phases:
    """What a surface does with candidates, and a lane for each phase of it."""

    filters: Sequence[Named[Filter]]
    ranker: Ranker | None
    rerankers: Sequence[Named[Reranker]]
    fallback: Candidates
    filter_lane: Lane = field(default_factory=Lane)
    ranker_lane: Lane = field(default_factory=Lane)
    reranker_lane: Lane = field(default_factory=Lane)


class Course:
    """One request's way; the worker publishes each phase before it runs it."""

    def __init__(self, phases: Phases, query: Query, candidates: Candidates) -> None:
        self._phases, self._query = phases, query
        self._first = Narrowing(phases.filters, phases.filter_lane, candidates)
        self._second: Narrowing | None = None  # the fallback's
        self._ranking: Ranking | None = None
        self._rearranging: Rearranging | None = None
        self._is_narrowed = self._is_given_up = False

    def go(self, crew: Crew, by: Deadlines, record: Record) -> None:
        """Go all the way on a worker, wait no longer than the deadlines, and write down what happened."""
        call = crew.start(self._run)
        phases = self._phases
        if not call.wait(by.filters_s) and not self._is_narrowed:
            # The fallback would have to pass the filter that hangs.
            self._give_up(call, phases.filter_lane)
            self._report_narrowing(record, is_late=True)
            record.slates.append(("", in_source_order(NOBODY)))
            return
        if not call.wait(by.ranker_s) and self._rearranging is None:
            self._give_up(call, phases.ranker_lane)
            self._report_narrowing(record)
            if self._ranking is not None:
                self._ranking.report(record, late(self._ranking.started_s))
            rearranging = self._start_rearranging(in_source_order(self._kept))
            call = crew.start(partial(rearranging.run, self._query))
        else:
            call.wait(by.rerankers_s)
            self._report_narrowing(record)
            if self._ranking is not None:
                self._ranking.report(record, self._ranking.trouble)
            assert self._rearranging is not None, call.outcome().trouble
            rearranging = self._rearranging
        if call.wait(by.rerankers_s):
            rearranging.report(record, rearranging.trouble)
        else:
            self._give_up(call, phases.reranker_lane)
            rearranging.report(record, late(rearranging.started_s))

    @property
    def _kept(self) -> Candidates:
        return self._first.kept if self._second is None else self._second.kept

    def _run(self) -> None:
        phases = self._phases
        self._first.run(self._query)
        if not len(self._first.kept):
            self._second = Narrowing(phases.filters, phases.filter_lane, phases.fallback)
            self._second.run(self._query)
        self._is_narrowed = True
        slate = in_source_order(self._kept)
        if phases.ranker is not None and self._second is None and not self._is_given_up:
            ranking = self._ranking = Ranking(phases.ranker, phases.ranker_lane, self._kept)
            ranking.run(self._query)
            slate = ranking.slate
        if not self._is_given_up:
            self._rearranging = self._start_rearranging(slate)
            self._rearranging.run(self._query)

    def _start_rearranging(self, slate: Slate) -> Rearranging:
        return Rearranging(self._phases.rerankers, self._phases.reranker_lane, slate)

    def _give_up(self, call: Call[None], lane: Lane) -> None:
        self._is_given_up = True  # what is left behind goes no further than the phase it is in
        call.leave(lane)

    def _report_narrowing(self, record: Record, *, is_late: bool = False) -> None:
        first, second = self._first, self._second
        last = first if second is None else second
        trouble = late(last.started_s) if is_late else last.trouble
        first.report(record, trouble if second is None else first.trouble)
        if second is not None:
            record.is_fallback = True
            count = len(self._phases.fallback)
            record.stages.append(StageTrace(FALLBACK, "fallback", 0, count))
            second.report(record, trouble)
            if len(second.kept) and not is_late:
                record.degraded.append("no candidates: the most popular instead")
        if is_late or not len(self._kept):
            record.degraded.append("no candidates: nothing to show")
