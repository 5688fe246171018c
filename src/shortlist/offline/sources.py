"""What the sources of a surface learn, and the lists that stand in for them, fitted on the whole of a log."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from shortlist.declare.expressions import Attribute
from shortlist.declare.surface import Surface
from shortlist.features.offline import History
from shortlist.index.choose import IndexBudgetError
from shortlist.models.indexed import indexed
from shortlist.models.popularity import FittedPopularity, Popularity
from shortlist.models.retrieval import FittedRetrieval, FittedVectors, Interactions, RetrievalModel
from shortlist.models.segment_popularity import FittedSegmentPopularity, SegmentPopularity
from shortlist.offline.errors import OfflineError
from shortlist.offline.positives import surface_interactions
from shortlist.offline.progress import Steps
from shortlist.pipeline.fallback import segment_name
from shortlist.pipeline.funnel import DEFAULT_WIDTH
from shortlist.stages.contract import SourceStage


@dataclass(frozen=True)
class Sources:
    """What a surface's sources learned.

    Attributes:
        popularity: the order of everybody's fallback list.
        retrieval: what each source's model became, by the source's place in the surface.
        fit_s: seconds to fit each of them; sources with the same model share one.
        segments: the fallback lists of segments of users; None where the surface declares no segment.
    """

    popularity: FittedPopularity
    retrieval: Mapping[int, FittedRetrieval]
    fit_s: Mapping[int, float]
    segments: FittedSegmentPopularity | None = None


def fit_sources(history: History, surface: Surface, *, seed: int, steps: Steps) -> Sources:
    """Fit what a surface's sources need on all that was read.

    Raises:
        OfflineError: when the log holds no event that the surface wants, or no index fits its budget.
    """
    interactions = surface_interactions(history, surface)
    fitted: dict[str, tuple[FittedRetrieval, float]] = {}

    def fit(model: RetrievalModel) -> tuple[FittedRetrieval, float]:
        if repr(model) not in fitted:
            with steps.step(f"fit {surface.surface_name}: {type(model).__name__}") as report:
                started_s = time.perf_counter()
                made = model.fit(interactions, seed=seed, progress=report)
                if isinstance(made, FittedVectors):
                    made = _indexed(made, interactions, surface, model, seed)
                fitted[repr(model)] = made, time.perf_counter() - started_s
        return fitted[repr(model)]

    models = {
        place: source.model
        for place, source in enumerate(surface.sources)
        if isinstance(source, SourceStage) and source.model is not None
    }
    made = {place: fit(model) for place, model in models.items()}
    # The fallback list is the surface's own popularity, where it has one.
    declared = (model for model in models.values() if isinstance(model, Popularity))
    definition = next(declared, Popularity())
    popularity, _ = fit(definition)
    assert isinstance(popularity, FittedPopularity)
    segments = None
    if surface.segment is not None:
        with steps.step(f"fit {surface.surface_name}: SegmentPopularity"):
            segments = _fit_segments(history, surface.segment, interactions, definition)
    return Sources(
        popularity,
        {place: retrieval for place, (retrieval, _) in made.items()},
        {place: fit_s for place, (_, fit_s) in made.items()},
        segments,
    )


def _indexed(
    fitted: FittedVectors, interactions: Interactions, surface: Surface, model: RetrievalModel, seed: int
) -> FittedVectors:
    """Give a model the index that suits what the surface's sources ask of it, within the surface's budget."""
    asked = [
        getattr(source, "n", DEFAULT_WIDTH)
        for source in surface.sources
        if isinstance(source, SourceStage) and repr(source.model) == repr(model)
    ]
    index_mb = surface.slo.index_mb
    memory_bytes = None if index_mb is None else int(1e6 * index_mb)
    try:
        return indexed(fitted, interactions, n=max(asked), memory_bytes=memory_bytes, seed=seed)
    except IndexBudgetError as error:
        raise OfflineError(
            f"surface {surface.surface_name}, slo",
            expected=f"an index_mb that an index of {model} fits in",
            received=f"{index_mb:g}",
            mend=f"Write {math.ceil(error.least_bytes / 1e6)} or more, or make its vectors narrower.",
        ) from error


def _fit_segments(
    history: History, segment: Attribute, interactions: Interactions, popularity: Popularity
) -> FittedSegmentPopularity:
    """Count within the segments that the users are in at the end of the log."""
    users = history.tables[segment.entity.entity_name]
    stored, segments_U = np.unique(
        users.stored(segment.name, np.arange(interactions.num_users)), return_inverse=True
    )
    known = stored[stored >= 0]  # what is unknown is -1, and comes first
    names = [segment_name(users, segment, int(value)) for value in known]
    return SegmentPopularity(popularity).fit(
        interactions, segments_U.astype(np.int64) - (len(stored) - len(known)), names
    )
