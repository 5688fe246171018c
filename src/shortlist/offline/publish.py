"""Writing what was trained as a release, with what its card and manifest say of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shortlist.declare.app import App
from shortlist.declare.surface import Surface
from shortlist.index.report import report_as_dict
from shortlist.models.retrieval import FittedVectors
from shortlist.offline.ladder.compare import SurfaceComparison
from shortlist.offline.ladder.sheet import Sheet, sheet_as_dict
from shortlist.offline.report import comparison_as_dict, split_as_dict
from shortlist.offline.splits import Split
from shortlist.pipeline.artifacts import FunnelArtifacts
from shortlist.releases import BundleWriter, DataRange, FeatureField, Metadata, Registry, ReleaseId
from shortlist.releases.artifacts import save_contents


def write_release(
    app: App,
    registry: Registry,
    artifacts: Mapping[str, FunnelArtifacts],
    comparisons: Sequence[SurfaceComparison],
    data: DataRange,
    split: Split | None,
    sampling: str | None,
    *,
    as_of_seq: int,
    seed: int,
    sheet: Sheet | None = None,
) -> ReleaseId:
    """Write a release of all surfaces; it is not promoted.

    A sheet of trade-offs becomes part of its card: its seconds give every measured release its own id.

    Raises:
        ReleaseError: when it cannot be written.
    """
    with BundleWriter(registry.folder) as bundle:
        save_contents(bundle.folder, artifacts)
        sections: dict[str, Any] = {
            "split": None if split is None else split_as_dict(split),
            "sampling": sampling,
            "seed": seed,
            "comparisons": [comparison_as_dict(one, is_timed=False) for one in comparisons],
            "indexes": _indexes(artifacts),
            **({} if sheet is None else {"sheet": sheet_as_dict(sheet)}),
        }
        return bundle.commit(
            Metadata(
                app=app.name,
                fingerprint=app.fingerprint(),
                as_of_seq=as_of_seq,
                data=data,
                features=_fields(artifacts),
                stages={name: _stages(surface, comparisons) for name, surface in app.surfaces.items()},
                p99_ms={name: float(surface.slo.p99_ms) for name, surface in app.surfaces.items()},
                metrics=_metrics(comparisons),
                sections=sections,
            )
        )


def _indexes(artifacts: Mapping[str, FunnelArtifacts]) -> list[dict[str, Any]]:
    """Lay out how each source's index does against the exact search."""
    return [
        {"surface": name, "model": fitted.kind, **report_as_dict(fitted.index.report)}
        for name, one in artifacts.items()
        for fitted in one.retrieval.values()
        if isinstance(fitted, FittedVectors) and fitted.index.report is not None
    ]


def _fields(artifacts: Mapping[str, FunnelArtifacts]) -> tuple[FeatureField, ...]:
    encoding = next((one.encoding for one in artifacts.values() if one.encoding is not None), None)
    if encoding is None:
        return ()
    return tuple(
        FeatureField(name=name, kind=_kind(encoding.categories.get(name))) for name in encoding.names
    )


def _kind(categories: Sequence[str] | None) -> str:
    return "number" if categories is None else f"one of {len(categories)} categories"


def _stages(surface: Surface, comparisons: Sequence[SurfaceComparison]) -> tuple[str, ...]:
    """Print the stages in funnel order; the ranker as the rung that was chosen for each label."""
    contests = [
        contest for one in comparisons if one.surface == surface.surface_name for contest in one.contests
    ]
    rankers = [f"{contest.label}: {contest.chosen.definition}" for contest in contests]
    before = [repr(stage) for stage in (*surface.sources, *surface.filters)]
    return (*before, *rankers, *(repr(stage) for stage in surface.rerank))


def _metrics(comparisons: Sequence[SurfaceComparison]) -> dict[str, dict[str, float | None]]:
    """Lay the figures out by model: `home/engaged/Logistic`, the chosen one marked."""
    rows: dict[str, dict[str, float | None]] = {}
    for one in comparisons:
        for contest in one.contests:
            for contender in contest.contenders:
                mark = " (chosen)" if contender is contest.chosen else ""
                rows[f"{one.surface}/{contest.label}/{contender.name}{mark}"] = contender.score.figures()
        for name, value in one.values.items():
            rows[f"{one.surface}/value/{name}"] = {
                "value_per_item": value.per_item.value,
                "value_lift": value.lift.value,
            }
    return rows
