"""The funnel: one surface, ready to serve.

    sources (side by side) -> merge -> filters -> features -> ranker -> re-rankers -> the first k

Whatever a stage does, the caller gets an answer within the surface's budget, marked with what went
wrong: a source that is late or throws is left out; a filter lets nothing pass; features and ranker
leave the sources' order, a re-ranker the order before it. When no candidate is left, the release's
most popular items go through the same filters and re-rankers; when none of them passes, the slate is empty.
"""

from __future__ import annotations

import math
import time

import numpy as np

from shortlist.declare.app import App
from shortlist.declare.errors import DeclarationError
from shortlist.declare.surface import Surface
from shortlist.features.online import OnlineState
from shortlist.pipeline.answer import Answer, answer
from shortlist.pipeline.artifacts import FunnelArtifacts
from shortlist.pipeline.course import Course, Phases
from shortlist.pipeline.crew import Crew
from shortlist.pipeline.deadline import Deadlines
from shortlist.pipeline.errors import FunnelError
from shortlist.pipeline.merge import Candidates
from shortlist.pipeline.named import Named, stage_names
from shortlist.pipeline.rank import Ranker
from shortlist.pipeline.record import Record
from shortlist.pipeline.retrieve import Retrieve
from shortlist.pipeline.why_not import Why, explain
from shortlist.stages.contract import (
    Filter,
    FilterStage,
    Items,
    Query,
    Reranker,
    RerankStage,
    Source,
    SourceStage,
)
from shortlist.stages.rankers.expected_value import ExpectedValue

DEFAULT_WIDTH = 1000
FALLBACK_ITEMS = 1000
MAX_SOURCES = 62  # a candidate's sources are the bits of an int64


class Funnel:
    """One surface of a declaration with one release: `Funnel.build` makes it.

    Any thread may call it, several at once. It never changes; a new release is a new funnel, and an
    old one's threads end when nobody holds it any more.
    """

    def __init__(self, surface: Surface, retrieve: Retrieve, phases: Phases, crew: Crew) -> None:
        self.surface = surface
        self._retrieve, self._phases, self._crew = retrieve, phases, crew
        self._source_names = [source.name for source in retrieve.sources]
        self._labels = () if phases.ranker is None else phases.ranker.scorer.labels

    @classmethod
    def build(
        cls,
        app: App,
        surface: Surface,
        artifacts: FunnelArtifacts,
        state: OnlineState,
        *,
        width: int = DEFAULT_WIDTH,
    ) -> Funnel:
        """Bind a surface to a release and to the state of this process.

        Args:
            app: the declaration.
            surface: one of its surfaces.
            artifacts: what the release fitted for this surface.
            state: caught up with the log, so that it has seen the release's items; what it has not
                seen is left out.
            width: how many candidates may pass from the sources to the filters.

        Raises:
            FunnelError: when the release lacks what a source needs.
            DeclarationError: when a stage does not fit the app or stands in the wrong place.
        """
        item_codes = state.items.vocabulary.codes(artifacts.item_ids)
        crew = Crew(surface.surface_name)
        popular = item_codes[artifacts.popularity.top(FALLBACK_ITEMS)[0]]
        popular = popular[popular >= 0]
        phases = Phases(
            filters=_filters(app, surface),
            ranker=_ranker(surface, artifacts),
            rerankers=_rerankers(app, surface),
            fallback=Candidates(popular, np.zeros(len(popular), np.int64)),
        )
        sources = _sources(app, surface, artifacts, item_codes)
        return cls(surface, Retrieve(sources, width, crew), phases, crew)

    def recommend(self, query: Query, *, budget_ms: float | None = None) -> Answer:
        """Choose for one request; never raises for what a stage does.

        Args:
            query: the request.
            budget_ms: how long it may take; None for the surface's p99, `math.inf` to wait for every
                stage, as the first call does best, for it may compile.
        """
        record = self._run(query, self.surface.slo.p99_ms if budget_ms is None else budget_ms)
        return answer(record, query, self._source_names, self._labels)

    @property
    def source_names(self) -> tuple[str, ...]:
        """The names of the sources, by their number in a record."""
        return tuple(self._source_names)

    def inspect(self, query: Query) -> Record:
        """Answer one request, waiting for every stage, and return all that happened to its candidates.

        It is what `recommend` with an infinite budget answers from: the same stages, the same slate.
        """
        return self._run(query, math.inf)

    def why_not(self, query: Query, item: str) -> Why:
        """Say what became of an item: not proposed, removed by a filter, ranked, demoted, or shown.

        The request is run again, waiting for every stage; the same query on the same state gives
        the same slate, what was drawn at random included.
        """
        record = self.inspect(query)
        code = query.state.items.vocabulary.code(item)
        return explain(record, item, code, query.k, self._source_names)

    def _run(self, query: Query, budget_ms: float) -> Record:
        started_s = time.perf_counter()
        by = Deadlines.split(started_s, budget_ms)
        record = Record()
        self._retrieve.run(query, record, by.sources_s)
        Course(self._phases, query, record.candidates).go(self._crew, by, record)
        record.elapsed_ms = 1000 * (time.perf_counter() - started_s)
        return record


def _sources(
    app: App, surface: Surface, artifacts: FunnelArtifacts, item_codes: Items
) -> list[Named[Source]]:
    thing = f"surface {surface.surface_name}"
    if len(surface.sources) > MAX_SOURCES:
        raise FunnelError(
            thing,
            expected=f"at most {MAX_SOURCES} sources",
            received=len(surface.sources),
            mend="Merge some.",
        )
    ready = []
    for number, (name, stage) in enumerate(zip(stage_names(surface.sources), surface.sources, strict=True)):
        assert isinstance(stage, SourceStage)
        fitted = artifacts.retrieval.get(number)
        if stage.model is not None and (fitted is None or fitted.kind != stage.model.kind):
            raise FunnelError(
                f"{thing}, source {name}",
                expected=f"a fitted {stage.model.kind} in the release",
                received="none" if fitted is None else fitted.kind,
                mend="The release is another surface's, or was trained before this source: train again.",
            )
        ready.append(Named(name, stage.ready(app, fitted, item_codes)))
    return ready


def _filters(app: App, surface: Surface) -> list[Named[Filter]]:
    ready = []
    for name, stage in zip(stage_names(surface.filters), surface.filters, strict=True):
        assert isinstance(stage, FilterStage)
        ready.append(Named(name, stage.ready(app)))
    return ready


def _rerankers(app: App, surface: Surface) -> list[Named[Reranker]]:
    ready = []
    for name, stage in zip(stage_names(surface.rerank), surface.rerank, strict=True):
        assert isinstance(stage, RerankStage)
        if stage.randomises and stage is not surface.rerank[-1]:
            raise DeclarationError(
                f"surface {surface.surface_name}, rerank",
                expected=f"{name} last",
                received=", ".join(stage_names(surface.rerank)),
                mend="An order changed after the draw would be shown with the wrong propensities.",
            )
        ready.append(Named(name, stage.ready(app)))
    return ready


def _ranker(surface: Surface, artifacts: FunnelArtifacts) -> Ranker | None:
    weights = {
        label.label_name: weight
        for label, weight in surface.value.items()
        if label.label_name in artifacts.rankers
    }
    if not weights:
        return None
    if artifacts.encoding is None:
        raise FunnelError(
            f"surface {surface.surface_name}",
            expected="an encoding with the rankers",
            received="none",
            mend="The release is damaged or incomplete: train again.",
        )
    rankers = {label: artifacts.rankers[label] for label in weights}
    kinds = dict.fromkeys(ranker.kind for ranker in rankers.values())
    return Ranker(", ".join(kinds), ExpectedValue(rankers, weights), artifacts.encoding)
