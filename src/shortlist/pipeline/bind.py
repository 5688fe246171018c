"""From declared stages and fitted models to the functions of a surface."""

from __future__ import annotations

from shortlist.declare.app import App
from shortlist.declare.errors import DeclarationError
from shortlist.declare.surface import Surface
from shortlist.features.online import OnlineState
from shortlist.pipeline.artifacts import FunnelArtifacts
from shortlist.pipeline.eligible import Eligible
from shortlist.pipeline.errors import FunnelError
from shortlist.pipeline.fallback import Fallback
from shortlist.pipeline.named import Named, stage_names
from shortlist.pipeline.phases import Phases
from shortlist.pipeline.rank import Ranker
from shortlist.pipeline.retrieve import Retrieve
from shortlist.pipeline.standby import Standby
from shortlist.stages.contract import (
    Filter,
    FilterStage,
    Items,
    Reranker,
    RerankStage,
    Source,
    SourceStage,
)
from shortlist.stages.rankers.expected_value import ExpectedValue

MAX_SOURCES = 62  # a candidate's sources are the bits of an int64


def bind(
    app: App, surface: Surface, artifacts: FunnelArtifacts, state: OnlineState, width: int, codes: Items
) -> Phases:
    """Bind a surface to a release and to the state of this process; `Funnel.build` gives the arguments.

    Raises:
        FunnelError: when the release lacks what a source needs.
        DeclarationError: when a stage does not fit the app or stands in the wrong place.
    """
    filters = _filters(app, surface)
    if artifacts.encoding is not None:
        state.reader(artifacts.encoding)  # made here, and not by the first request, under the state's lock
    return Phases(
        retrieve=Retrieve(_sources(app, surface, artifacts, codes), width),
        filters=filters,
        ranker=_ranker(surface, artifacts),
        rerankers=_rerankers(app, surface),
        standby=Standby(Fallback.of(surface, artifacts, codes), filters),
        eligible=Eligible.of(app, surface, codes),
    )


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
        ready.append(Named.of(name, stage.ready(app, fitted, item_codes)))
    return ready


def _filters(app: App, surface: Surface) -> list[Named[Filter]]:
    ready = []
    for name, stage in zip(stage_names(surface.filters), surface.filters, strict=True):
        assert isinstance(stage, FilterStage)
        ready.append(Named.of(name, stage.ready(app)))
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
        ready.append(Named.of(name, stage.ready(app)))
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
