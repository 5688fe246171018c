"""Training: from the log to a release, every choice on the way judged on time that came after.

read the log -> split by time -> features as of each trial -> fit and judge the ladder
                              -> fit what the sources need on all of the log
                              -> write, check and promote the release
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shortlist.declare.app import App
from shortlist.declare.surface import Surface
from shortlist.features.encoders import Encoding
from shortlist.features.offline import History
from shortlist.log.protocol import EventLog
from shortlist.models.contract import FittedRanker
from shortlist.models.popularity import FittedPopularity, Popularity
from shortlist.models.retrieval import FittedRetrieval, RetrievalModel
from shortlist.offline.compare import Comparer, SurfaceComparison
from shortlist.offline.dataset import make_dataset, read_trials
from shortlist.offline.errors import OfflineError
from shortlist.offline.positives import surface_interactions
from shortlist.offline.progress import Progress, Steps
from shortlist.offline.publish import write_release
from shortlist.offline.splits import Split, split_by_share
from shortlist.pipeline.artifacts import FunnelArtifacts
from shortlist.releases import DataRange, Registry, ReleaseId
from shortlist.stages.contract import SourceStage


@dataclass(frozen=True)
class TrainReport:
    """What a training did.

    Attributes:
        release: the id of the release.
        is_promoted: whether it serves now.
        as_of_seq: the last log position read.
        data: what the rankers were fitted and judged on.
        split: the periods; None when no surface has a ranker.
        sampling: how negatives were drawn; None when all trials were real impressions.
        num_columns: columns of the feature matrix.
        comparisons: one a surface with a ranker.
        seconds: of each step, in order.
    """

    release: ReleaseId
    is_promoted: bool
    as_of_seq: int
    data: DataRange
    split: Split | None
    sampling: str | None
    num_columns: int
    comparisons: tuple[SurfaceComparison, ...]
    seconds: Mapping[str, float]


@dataclass(frozen=True)
class _Ranked:
    """What came of the ladders; nothing of it when no surface has one."""

    data: DataRange
    split: Split | None = None
    sampling: str | None = None
    encoding: Encoding | None = None
    comparisons: tuple[SurfaceComparison, ...] = ()


def train(
    app: App,
    log: EventLog,
    registry: Registry,
    *,
    progress: Progress | None = None,
    promote: bool = True,
    valid: float = 0.1,
    test: float = 0.2,
    upto_seq: int | None = None,
    seed: int = 0,
) -> TrainReport:
    """Train every surface of a declaration, and publish the release.

    Rankers learn from the first part of the log by time, stop by the next, and are judged and chosen on the
    last; they are released as judged. What the sources need is fitted on all of the log, since it must know
    the newest items. The same log and seed give the same release.

    Args:
        app: the declaration.
        log: where it is read from.
        registry: where the release goes.
        progress: told of every step.
        promote: make the release the current one.
        valid: share of the trials that decide when to stop.
        test: share of the trials, the latest, that decide which rung is used.
        upto_seq: the last log position to read; by default all.
        seed: of everything random.

    Raises:
        OfflineError: when the log holds too little to learn from.
        ReleaseError: when the release cannot be written or promoted.
    """
    steps = Steps(progress)
    if not app.surfaces:
        raise OfflineError(
            f"app {app.name}",
            expected="a surface to train for",
            received="none",
            mend='Declare one: app.surface("home", sources=[sl.Popular()]).',
        )
    with steps.step("read the log") as report:
        history = History.read(app, log, upto_seq, report)
    ranked = _rank(history, log, valid, test, seed, steps)
    artifacts = {
        name: _artifacts(history, surface, ranked, seed, steps) for name, surface in app.surfaces.items()
    }
    with steps.step("write the release"):
        release = write_release(
            app, registry, artifacts, ranked.comparisons, ranked.data, ranked.split,
            ranked.sampling, as_of_seq=history.last_seq, seed=seed,
        )  # fmt: skip
        if promote:
            registry.promote(release, expected_fingerprint=app.fingerprint())
    return TrainReport(
        release,
        promote,
        history.last_seq,
        ranked.data,
        ranked.split,
        ranked.sampling,
        len(history.plan.names),
        ranked.comparisons,
        steps.seconds,
    )


def _rank(history: History, log: EventLog, valid: float, test: float, seed: int, steps: Steps) -> _Ranked:
    surfaces = [surface for surface in history.app.surfaces.values() if surface.ladder is not None]
    labels = list(dict.fromkeys(label for surface in surfaces for label in surface.value))
    if not surfaces:
        return _Ranked(DataRange(first_us=0, last_us=history.last_log_time_us, num_examples=0))
    with steps.step("collect trials"):
        trials = read_trials(history, log, labels, seed)
        split = split_by_share(
            trials.times_us, trials.settled_us, history.last_log_time_us, valid=valid, test=test
        )
    with steps.step("compute features"):
        dataset = make_dataset(history, trials, split.train)
    comparer = Comparer(dataset, split, num_items=len(history.items), seed=seed, steps=steps)
    comparisons = tuple(comparer.compare(surface) for surface in surfaces)
    data = DataRange(
        first_us=int(trials.times_us[0]), last_us=int(trials.times_us[-1]), num_examples=len(trials)
    )
    return _Ranked(data, split, trials.sampling, dataset.encoding, comparisons)


def _artifacts(
    history: History, surface: Surface, ranked: _Ranked, seed: int, steps: Steps
) -> FunnelArtifacts:
    interactions = surface_interactions(history, surface)
    fitted: dict[str, FittedRetrieval] = {}

    def fit(model: RetrievalModel) -> FittedRetrieval:
        if repr(model) not in fitted:
            with steps.step(f"fit {surface.surface_name}: {type(model).__name__}") as report:
                fitted[repr(model)] = model.fit(interactions, seed=seed, progress=report)
        return fitted[repr(model)]

    models = {
        place: source.model
        for place, source in enumerate(surface.sources)
        if isinstance(source, SourceStage) and source.model is not None
    }
    retrieval = {place: fit(model) for place, model in models.items()}
    # The fallback list is the surface's own popularity, where it has one.
    declared = (model for model in models.values() if isinstance(model, Popularity))
    popularity = fit(next(declared, Popularity()))
    assert isinstance(popularity, FittedPopularity)
    rankers: Mapping[str, FittedRanker] = next(
        (one.rankers for one in ranked.comparisons if one.surface == surface.surface_name), {}
    )
    return FunnelArtifacts(history.items.texts(), popularity, retrieval, rankers, ranked.encoding)
