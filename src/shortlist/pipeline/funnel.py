"""The funnel: one surface, ready to serve.

    sources -> merge -> filters -> features -> ranker -> re-rankers -> the first k

Whatever a stage does, the caller gets an answer within the surface's budget, marked with what went
wrong: a source that is late or throws is left out; features and ranker leave the sources' order, a
re-ranker the order before it. When no candidate is left, the most popular items of the user's segment
go through the same filters and re-rankers, then everybody's, see `fallback`; when a filter is late or
broken, or everything is, such a list that was filtered beforehand for somebody of whom nothing is known
stands in, see `standby`.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from shortlist.declare.app import App
from shortlist.declare.surface import Surface
from shortlist.features.online import OnlineState
from shortlist.pipeline.answer import Answer, answer
from shortlist.pipeline.artifacts import FunnelArtifacts
from shortlist.pipeline.bind import bind
from shortlist.pipeline.crew import Crew
from shortlist.pipeline.deadline import Deadlines, time_left_s
from shortlist.pipeline.numbering import item_codes
from shortlist.pipeline.passage import Passage
from shortlist.pipeline.phases import Phases
from shortlist.pipeline.record import Record
from shortlist.pipeline.why_not import Why, explain
from shortlist.stages.contract import Items, Query

DEFAULT_WIDTH = 1000


class Funnel:
    """One surface of a declaration with one release: `Funnel.build` makes it.

    Any thread may call it, several at once. It never changes; a new release is a new funnel, and an
    old one's threads end when nobody holds it any more.
    """

    def __init__(self, surface: Surface, phases: Phases, state: OnlineState) -> None:
        self.surface = surface
        self._phases, self._state = phases, state
        self._crew = Crew(surface.surface_name)
        self._source_names = tuple(source.name for source in phases.retrieve.sources)
        self._labels = () if phases.ranker is None else phases.ranker.scorer.labels
        self.refresh()

    @classmethod
    def build(
        cls,
        app: App,
        surface: Surface,
        artifacts: FunnelArtifacts,
        state: OnlineState,
        *,
        width: int = DEFAULT_WIDTH,
        codes: Items | None = None,
    ) -> Funnel:
        """Bind a surface to a release and to the state of this process.

        Args:
            app: the declaration.
            surface: one of its surfaces.
            artifacts: what the release fitted for this surface.
            state: caught up with the log, so that it has seen the release's items; what it has not
                seen is left out.
            width: how many candidates may pass from the sources to the filters.
            codes: int64 [I], the code in the state of each of the release's items, when it is known already.

        Raises:
            FunnelError: when the release lacks what a source needs.
            DeclarationError: when a stage does not fit the app or stands in the wrong place.
        """
        if codes is None:
            codes = item_codes(state.items.vocabulary, artifacts.item_ids)
        return cls(surface, bind(app, surface, artifacts, state, width, codes), state)

    @property
    def width(self) -> int:
        """How many candidates may pass from the sources to the filters when there is time for all."""
        return self._phases.retrieve.width

    def narrowed(self, share: float) -> int:
        """Return the width that lets a share, from 0 to 1, of what is usually proposed pass; k at least."""
        return max(self.surface.k, self._phases.retrieve.narrowed(share))

    @property
    def source_names(self) -> tuple[str, ...]:
        """The names of the sources, by their number in a record."""
        return self._source_names

    def refresh(self) -> None:
        """Follow the state with what is kept ready: what stands in when all else fails, what is eligible.

        Called now and then, by one thread.
        """
        self._phases.standby.refresh(self._state, self._crew, self.surface.k)
        if self._phases.eligible is not None:
            self._phases.eligible.refresh(self._state)

    def succeed(self, earlier: Funnel) -> None:
        """Be ready for those who asked an earlier funnel of the same surface, before they ask this one."""
        if self._phases.eligible is not None and earlier._phases.eligible is not None:
            self._phases.eligible.succeed(earlier._phases.eligible, self._state)

    def recommend(self, query: Query, *, budget_ms: float | None = None, width: int | None = None) -> Answer:
        """Choose for one request; never raises for what a stage does.

        Args:
            query: the request.
            budget_ms: how long it may take; None for the surface's p99, `math.inf` to wait for every
                stage, as the first call does best, for it may compile.
            width: how many candidates may pass this time; None for the funnel's own.
        """
        budget_ms = self.surface.slo.p99_ms if budget_ms is None else budget_ms
        if math.isinf(budget_ms):
            return self._answer(self._inspect(query, width), query)
        ended = threading.Event()
        answers: list[Answer] = []

        def done(answer: Answer) -> None:
            answers.append(answer)
            ended.set()

        passage = self.start(query, done, budget_ms=budget_ms, width=width)
        while not ended.wait(time_left_s(passage.due_s)) and passage.overdue():
            pass
        ended.wait()
        return answers[0]

    def start(
        self, query: Query, done: Callable[[Answer], None], *, budget_ms: float, width: int | None = None
    ) -> Passage:
        """Begin to choose for one request, on a thread of the funnel.

        The caller looks after it: at the passage's `due_s`, and as long as it says so, it calls `overdue`.

        Args:
            query: the request.
            done: called once with the answer, on a thread of the funnel or by `overdue`.
            budget_ms: how long it may take, finite.
            width: how many candidates may pass this time; None for the funnel's own.
        """
        passage = self._passage(query, budget_ms, width, lambda record: done(self._answer(record, query)))
        passage.send()
        return passage

    def inspect(self, query: Query) -> Record:
        """Answer one request, waiting for every stage, and return all that happened to its candidates.

        It is what `recommend` with an infinite budget answers from: the same stages, the same slate.
        """
        return self._inspect(query, None)

    def why_not(self, query: Query, item: str) -> Why:
        """Say what became of an item: not proposed, removed by a filter, ranked, demoted, or shown.

        The request is run again, waiting for every stage; the same query on the same state gives
        the same slate, what was drawn at random included.
        """
        record = self.inspect(query)
        code = query.state.items.vocabulary.code(item)
        return explain(record, item, code, query.k, self._source_names)

    def _inspect(self, query: Query, width: int | None) -> Record:
        """Walk on this thread: without a deadline nobody needs to stop waiting."""
        passage = self._passage(query, math.inf, width, lambda record: None)
        passage.walk()
        return passage.record

    def _passage(
        self, query: Query, budget_ms: float, width: int | None, done: Callable[[Record], None]
    ) -> Passage:
        started_s = time.perf_counter()

        def ended(record: Record) -> None:
            record.elapsed_ms = 1000 * (time.perf_counter() - started_s)
            done(record)

        eligible = self._phases.eligible
        if eligible is not None and (allowed := eligible.allowed(query)) is not query.allowed:
            query = replace(query, allowed=allowed)
        by = Deadlines.split(started_s, budget_ms)
        return Passage(self._phases, query, by, width or self.width, self._crew, ended)

    def _answer(self, record: Record, query: Query) -> Answer:
        return answer(record, query, self._source_names, self._labels)
