"""The ladder, measured: a training that also tells what every rung and every source costs.

read the log -> fit, judge and measure the rungs; choose within the budget
             -> fit the sources on the time before the test period -> replay it: what does each find
             -> fit the sources on all of the log -> publish the release with the sheet

The same log and seed need not give the same release, as they do for `train`: seconds are measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shortlist.declare.app import App
from shortlist.declare.surface import Surface
from shortlist.features.offline import History
from shortlist.features.online import OnlineState
from shortlist.log.protocol import EventLog
from shortlist.offline.errors import OfflineError
from shortlist.offline.fitting import Ranked, rank_surfaces, surface_artifacts
from shortlist.offline.ladder.compare import SurfaceComparison
from shortlist.offline.ladder.costs import machine, source_cost, source_p99_ms
from shortlist.offline.ladder.sheet import Part, Sheet, ranker_parts, source_part
from shortlist.offline.positives import event_splits
from shortlist.offline.progress import Progress, Steps
from shortlist.offline.publish import write_release
from shortlist.offline.replay.moments import check_num_moments, log_times
from shortlist.offline.replay.period import ReplayedPeriod, read_past, replay_period
from shortlist.offline.replay.report import FunnelReport
from shortlist.offline.replay.walk import query_at
from shortlist.offline.sliced import SlicedContest
from shortlist.offline.sources import Sources, fit_sources
from shortlist.offline.splits import Split
from shortlist.releases import Registry, ReleaseId
from shortlist.stages.contract import SourceStage

_TIMED_REQUESTS = 200


@dataclass(frozen=True)
class ClimbReport:
    """What a measured training did.

    Attributes:
        release: the id of the release.
        is_promoted: whether it serves now.
        sheet: what everything is worth and costs.
        sampling: how negatives were drawn; None when all trials were real impressions.
        split: the periods: sources and rungs are judged on its test period.
        comparisons: one a surface with a ranker.
        funnels: what the replay of each surface's test period found; empty where no source was judged.
        slices: the contests slice by slice, by surface; empty where nobody asked.
    """

    release: ReleaseId
    is_promoted: bool
    sheet: Sheet
    sampling: str | None
    split: Split
    comparisons: tuple[SurfaceComparison, ...]
    funnels: tuple[FunnelReport, ...]
    slices: Mapping[str, tuple[SlicedContest, ...]]


def climb(
    app: App,
    log: EventLog,
    registry: Registry,
    *,
    progress: Progress | None = None,
    promote: bool = True,
    valid: float = 0.1,
    test: float = 0.2,
    num_requests: int = 1000,
    is_sliced: bool = False,
    upto_seq: int | None = None,
    seed: int = 0,
) -> ClimbReport:
    """Train every surface as `train` does, measure what that costs, choose within the budget, and publish.

    Args:
        app: the declaration.
        log: where it is read from.
        registry: where the release goes.
        progress: told of every step.
        promote: make the release the current one.
        valid: share of the trials that decide when to stop.
        test: share of the trials, the latest, that rungs and sources are judged on.
        num_requests: at how many moments of the test period, at most, each surface's sources are judged; 0
            judges no source.
        is_sliced: judge the rungs slice by slice too.
        upto_seq: the last log position to read; by default all.
        seed: of everything random.

    Raises:
        OfflineError: when the log holds too little to learn from or to judge on, or one moment is asked for.
        ReleaseError: when the release cannot be written or promoted.
    """
    check_num_moments(num_requests)
    steps = Steps(progress)
    surfaces = list(app.surfaces.values())
    if not surfaces:
        raise OfflineError(
            f"app {app.name}",
            expected="a surface to train for",
            received="none",
            mend='Declare one: app.surface("home", sources=[sl.Popular()]).',
        )
    with steps.step("read the log") as report:
        history = History.read(app, log, upto_seq, report)
    state = OnlineState(app)
    with steps.step("fold the log") as report:
        for batch in log.batches(upto_seq=history.last_seq):
            state.apply(batch)
            report(batch.last_seq, history.last_seq)
    ranked = rank_surfaces(
        history, log, surfaces, valid=valid, test=test, seed=seed, steps=steps,
        state=state, is_sliced=is_sliced,
    )  # fmt: skip
    split = ranked.split or event_splits(history, surfaces, num_folds=1, valid=valid, test=test)[0]
    funnels: tuple[FunnelReport, ...] = ()
    source_parts: list[Part] = []
    if num_requests:
        funnels, source_parts = _judge_sources(
            history, log, surfaces, ranked, split, num_requests, seed, steps
        )
    parts = [
        part
        for one in ranked.comparisons
        for part in ranker_parts(one, app.surfaces[one.surface], ranked.features_ms[one.surface])
    ]
    sheet = Sheet(machine(), (*parts, *source_parts))
    artifacts = {
        surface.surface_name: surface_artifacts(
            history, surface, ranked, fit_sources(history, surface, seed=seed, steps=steps)
        )
        for surface in surfaces
    }
    with steps.step("write the release"):
        release = write_release(
            app, registry, artifacts, ranked.comparisons, ranked.data, ranked.split,
            ranked.sampling, as_of_seq=history.last_seq, seed=seed, sheet=sheet,
        )  # fmt: skip
        if promote:
            registry.promote(release, expected_fingerprint=app.fingerprint())
    return ClimbReport(
        release, promote, sheet, ranked.sampling, split, ranked.comparisons, funnels, ranked.slices
    )


def _judge_sources(
    history: History,
    log: EventLog,
    surfaces: Sequence[Surface],
    ranked: Ranked,
    split: Split,
    num_requests: int,
    seed: int,
    steps: Steps,
) -> tuple[tuple[FunnelReport, ...], list[Part]]:
    """Replay the test period with sources that know the time before it alone.

    The rankers were fitted before the period, too, but chosen by their figures on it: the orders of the
    funnels are flattered by that a little. `backtest` chooses before the period, and is not.
    """
    times_us = log_times(log, history.last_seq)
    past = read_past(history, log, times_us, split.test, steps)
    fitted = {
        surface.surface_name: fit_sources(past, surface, seed=seed, steps=steps) for surface in surfaces
    }
    artifacts = {
        surface.surface_name: surface_artifacts(past, surface, ranked, fitted[surface.surface_name])
        for surface in surfaces
    }
    seen = replay_period(
        history, log, times_us, split.test, artifacts, surfaces,
        num_requests=num_requests, seed=seed, steps=steps,
    )  # fmt: skip
    with steps.step("measure the sources"):
        parts = [
            _source_part(surface, funnel, fitted[surface.surface_name], past.items.texts(), seen)
            for surface, funnel in zip(surfaces, seen.funnels, strict=True)
        ]
    return seen.funnels, parts


def _source_part(
    surface: Surface,
    funnel: FunnelReport,
    sources: Sources,
    item_ids: Sequence[str],
    seen: ReplayedPeriod,
) -> Part:
    state, moments = seen.state, seen.moments[surface.surface_name]
    codes = state.items.vocabulary.codes(item_ids)
    rows = range(min(_TIMED_REQUESTS, len(moments)))
    queries = [query_at(state, moments, row, surface.k, 0) for row in rows]
    p99_ms = []
    for place, stage in enumerate(surface.sources):
        assert isinstance(stage, SourceStage)
        propose = stage.ready(state.app, sources.retrieval.get(place), codes)
        p99_ms.append(source_p99_ms(propose, queries))
    costs = {
        place: source_cost(model, sources.fit_s[place], p99_ms[place])
        for place, model in sources.retrieval.items()
    }
    return source_part(funnel, [repr(source) for source in surface.sources], costs, p99_ms)
