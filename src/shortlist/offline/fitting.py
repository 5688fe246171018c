"""What a release is made of: the rankers that won their contests, and what the sources learned.

Training publishes it; a replay rebuilds it as it would have been at a moment of the past.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shortlist.declare.surface import Surface
from shortlist.features.encoders import Encoding
from shortlist.features.offline import History
from shortlist.features.online import OnlineState
from shortlist.log.protocol import EventLog
from shortlist.models.contract import FittedRanker
from shortlist.offline.dataset import make_dataset, read_trials
from shortlist.offline.ladder.compare import Comparer, SurfaceComparison
from shortlist.offline.ladder.costs import features_p99_ms, num_candidates
from shortlist.offline.progress import Steps
from shortlist.offline.sliced import SlicedContest, slice_contest
from shortlist.offline.sources import Sources, fit_sources
from shortlist.offline.splits import Split, split_by_share
from shortlist.pipeline.artifacts import FunnelArtifacts
from shortlist.releases import DataRange


@dataclass(frozen=True)
class Ranked:
    """What came of the ladders; nothing of it when no surface has one.

    Attributes:
        data: what the rankers were fitted and judged on.
        split: the periods.
        sampling: how negatives were drawn; None when all trials were real impressions.
        encoding: how the rankers' features are made.
        comparisons: one a surface with a ranker.
        slices: its contests slice by slice, by the surface's name; empty where nobody asked.
        features_ms: p99 of reading a request's features, by surface; empty where nothing was measured.
    """

    data: DataRange
    split: Split | None = None
    sampling: str | None = None
    encoding: Encoding | None = None
    comparisons: tuple[SurfaceComparison, ...] = ()
    slices: Mapping[str, tuple[SlicedContest, ...]] = field(default_factory=dict)
    features_ms: Mapping[str, float] = field(default_factory=dict)


def fit_release(
    history: History,
    log: EventLog,
    surfaces: Sequence[Surface],
    *,
    valid: float,
    test: float,
    seed: int,
    steps: Steps,
) -> tuple[Ranked, dict[str, FunnelArtifacts]]:
    """Climb the ladders and fit the sources; see `rank_surfaces` and `fit_sources`.

    Returns:
        What came of the ladders, and what a release holds for each of the surfaces.
    """
    ranked = rank_surfaces(history, log, surfaces, valid=valid, test=test, seed=seed, steps=steps)
    artifacts = {
        surface.surface_name: surface_artifacts(
            history, surface, ranked, fit_sources(history, surface, seed=seed, steps=steps)
        )
        for surface in surfaces
    }
    return ranked, artifacts


def rank_surfaces(
    history: History,
    log: EventLog,
    surfaces: Sequence[Surface],
    *,
    valid: float,
    test: float,
    seed: int,
    steps: Steps,
    state: OnlineState | None = None,
    is_sliced: bool = False,
) -> Ranked:
    """Climb the ladder of each of the surfaces that has one.

    Args:
        history: the log, read; nothing beyond it is looked at.
        log: the same log.
        surfaces: of the declaration.
        valid: share of the trials that decide when to stop.
        test: share of the trials, the latest, that decide which rung is used.
        seed: of everything random.
        steps: told of every step.
        state: that has folded the log; with it, what features and rungs cost is measured, and a rung is
            chosen within the surface's budget alone: the choice then depends on this machine.
        is_sliced: judge the rungs slice by slice too.

    Raises:
        OfflineError: when the log holds too little to learn from.
    """
    surfaces = [surface for surface in surfaces if surface.ladder is not None]
    labels = list(dict.fromkeys(label for surface in surfaces for label in surface.value))
    if not surfaces:
        return Ranked(DataRange(first_us=0, last_us=history.last_log_time_us, num_examples=0))
    with steps.step("collect trials"):
        trials = read_trials(history, log, labels, seed)
        split = split_by_share(
            trials.times_us, trials.settled_us, history.last_log_time_us, valid=valid, test=test
        )
    with steps.step("compute features"):
        dataset = make_dataset(history, trials, split.train)
    features_ms = None
    if state is not None:
        with steps.step("measure the features"):
            features_ms = {
                surface.surface_name: features_p99_ms(state, dataset.encoding, num_candidates(surface), seed)
                for surface in surfaces
            }
    comparer = Comparer(
        dataset, split, num_items=len(history.items), seed=seed, steps=steps, features_ms=features_ms,
    )  # fmt: skip
    comparisons = tuple(comparer.compare(surface) for surface in surfaces)
    slices: dict[str, tuple[SlicedContest, ...]] = {}
    for one in comparisons if is_sliced else ():
        with steps.step(f"slice {one.surface}"):
            slices[one.surface] = tuple(
                slice_contest(dataset, split, contest, seed) for contest in one.contests
            )
    data = DataRange(
        first_us=int(trials.times_us[0]), last_us=int(trials.times_us[-1]), num_examples=len(trials)
    )
    return Ranked(data, split, trials.sampling, dataset.encoding, comparisons, slices, features_ms or {})


def surface_artifacts(
    history: History, surface: Surface, ranked: Ranked, sources: Sources
) -> FunnelArtifacts:
    """Put a surface's chosen rankers beside what its sources learned from the same log."""
    rankers: Mapping[str, FittedRanker] = next(
        (one.rankers for one in ranked.comparisons if one.surface == surface.surface_name), {}
    )
    return FunnelArtifacts(
        history.items.texts(),
        sources.popularity,
        sources.retrieval,
        rankers,
        ranked.encoding,
        sources.segments,
    )
