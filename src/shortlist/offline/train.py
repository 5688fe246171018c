"""Training: from the log to a release, every choice on the way judged on time that came after.

read the log -> split by time -> features as of each trial -> fit and judge the ladder
                              -> fit what the sources need on all of the log
                              -> write, check and promote the release
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shortlist.declare.app import App
from shortlist.features.offline import History
from shortlist.log.protocol import EventLog
from shortlist.offline.errors import OfflineError
from shortlist.offline.fitting import fit_release
from shortlist.offline.ladder.compare import SurfaceComparison
from shortlist.offline.progress import Progress, Steps
from shortlist.offline.publish import write_release
from shortlist.offline.splits import Split
from shortlist.releases import DataRange, Registry, ReleaseId


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
    ranked, artifacts = fit_release(
        history, log, list(app.surfaces.values()), valid=valid, test=test, seed=seed, steps=steps
    )
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
