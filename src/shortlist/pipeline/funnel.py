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
from shortlist.pipeline.answer import FALLBACK, Answer, answer
from shortlist.pipeline.artifacts import FunnelArtifacts
from shortlist.pipeline.crew import Crew
from shortlist.pipeline.deadline import Deadlines
from shortlist.pipeline.errors import FunnelError
from shortlist.pipeline.merge import Candidates
from shortlist.pipeline.named import Named, stage_names
from shortlist.pipeline.narrow import Narrow
from shortlist.pipeline.rank import Rank, in_source_order
from shortlist.pipeline.rearrange import Rearrange
from shortlist.pipeline.record import Record
from shortlist.pipeline.retrieve import Retrieve
from shortlist.pipeline.trace import StageTrace
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

    def __init__(
        self,
        surface: Surface,
        retrieve: Retrieve,
        narrow: Narrow,
        rank: Rank,
        rearrange: Rearrange,
        fallback: Items,
    ) -> None:
        self.surface = surface
        self._retrieve, self._narrow, self._rank, self._rearrange = retrieve, narrow, rank, rearrange
        self._source_names = [source.name for source in retrieve.sources]
        self._labels = () if rank.scorer is None else rank.scorer.run.labels
        self._fallback = Candidates(fallback, np.zeros(len(fallback), np.int64))

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
        return cls(
            surface,
            Retrieve(_sources(app, surface, artifacts, item_codes), width, crew),
            Narrow(_filters(app, surface), crew),
            Rank(_scorer(surface, artifacts), artifacts.encoding, crew),
            Rearrange(_rerankers(app, surface), crew),
            popular[popular >= 0],
        )

    def recommend(self, query: Query, *, budget_ms: float | None = None) -> Answer:
        """Choose for one request; never raises for what a stage does.

        Args:
            query: the request.
            budget_ms: how long it may take; None for the surface's p99, `math.inf` to wait for every
                stage, as the first call does best, for it may compile.
        """
        record = self._run(query, self.surface.slo.p99_ms if budget_ms is None else budget_ms)
        return answer(record, query, self._source_names, self._labels)

    def why_not(self, query: Query, item: str) -> Why:
        """Say what became of an item: not proposed, removed by a filter, ranked, demoted, or shown.

        The request is run again, waiting for every stage; the same query on the same state gives
        the same slate, what was drawn at random included.
        """
        record = self._run(query, math.inf)
        code = query.state.items.vocabulary.code(item)
        return explain(record, item, code, query.k, self._source_names)

    def _run(self, query: Query, budget_ms: float) -> Record:
        started_s = time.perf_counter()
        by = Deadlines.split(started_s, budget_ms)
        record = Record()
        self._retrieve.run(query, record, by.sources_s)
        kept = self._narrow.run(record.candidates, query, record, by.filters_s)
        if len(kept):
            slate = self._rank.run(kept, query, record, by.ranker_s)
        else:
            slate = in_source_order(self._fall_back(query, record, by.filters_s))
        self._rearrange.run(slate, query, record, by.rerankers_s)
        record.elapsed_ms = 1000 * (time.perf_counter() - started_s)
        return record

    def _fall_back(self, query: Query, record: Record, deadline_s: float) -> Candidates:
        record.is_fallback = True
        record.stages.append(StageTrace(FALLBACK, "fallback", 0, len(self._fallback)))
        kept = self._narrow.run(self._fallback, query, record, deadline_s)
        record.degraded.append(
            "no candidates: the most popular instead" if len(kept) else "no candidates: nothing to show"
        )
        return kept


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


def _scorer(surface: Surface, artifacts: FunnelArtifacts) -> Named[ExpectedValue] | None:
    weights = {
        label.label_name: weight
        for label, weight in surface.value.items()
        if label.label_name in artifacts.rankers
    }
    if not weights:
        return None
    rankers = {label: artifacts.rankers[label] for label in weights}
    kinds = dict.fromkeys(ranker.kind for ranker in rankers.values())
    return Named(", ".join(kinds), ExpectedValue(rankers, weights))
