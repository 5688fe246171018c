"""Backtests: the ladder and the whole funnel on held-out time, in one period or several that roll on.

For each test period, two things that know the past alone:

every rung and the baselines, fitted before the period    -> judged on its trials
the release that training would have published then       -> replayed through it, see `replay`
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shortlist.declare.app import App
from shortlist.features.offline import History
from shortlist.log.protocol import EventLog
from shortlist.offline.dataset import make_dataset, read_trials
from shortlist.offline.errors import OfflineError
from shortlist.offline.fitting import fit_release
from shortlist.offline.ladder.compare import Comparer, SurfaceComparison
from shortlist.offline.positives import event_splits
from shortlist.offline.progress import Progress, Steps
from shortlist.offline.replay.moments import check_num_moments, log_times
from shortlist.offline.replay.period import read_past, replay_period
from shortlist.offline.replay.report import FunnelReport
from shortlist.offline.replay.tables import funnel_as_dict
from shortlist.offline.report import comparison_as_dict, split_as_dict
from shortlist.offline.splits import Split, rolling_splits


@dataclass(frozen=True)
class Fold:
    """One split, what each surface's ladder came to on it, and what its funnel did in the test period."""

    split: Split
    comparisons: tuple[SurfaceComparison, ...]
    funnels: tuple[FunnelReport, ...]


@dataclass(frozen=True)
class BacktestReport:
    """What a backtest found.

    Attributes:
        as_of_seq: the last log position read.
        num_trials: impressions, or sampled trials; 0 when no surface has a ranker.
        sampling: how negatives were drawn; None when all trials were real impressions.
        folds: in order of time.
        seconds: of each step.
    """

    as_of_seq: int
    num_trials: int
    sampling: str | None
    folds: tuple[Fold, ...]
    seconds: Mapping[str, float]

    def as_dict(self, *, is_timed: bool = True) -> dict[str, Any]:
        """Return plain JSON values; without seconds they are the same for the same log and seed."""
        folds = [
            {
                "split": split_as_dict(fold.split),
                "surfaces": [comparison_as_dict(one, is_timed=is_timed) for one in fold.comparisons],
                "funnels": [funnel_as_dict(one, is_timed=is_timed) for one in fold.funnels],
            }
            for fold in self.folds
        ]
        timed = {"seconds": dict(self.seconds)} if is_timed else {}
        return {
            "as_of_seq": self.as_of_seq,
            "num_trials": self.num_trials,
            "sampling": self.sampling,
            "folds": folds,
            **timed,
        }


def backtest(
    app: App,
    log: EventLog,
    *,
    progress: Progress | None = None,
    num_folds: int = 1,
    valid: float = 0.1,
    test: float = 0.2,
    num_requests: int = 2000,
    upto_seq: int | None = None,
    seed: int = 0,
) -> BacktestReport:
    """Judge the ladder and the funnel of every surface on held-out time; nothing is published.

    Args:
        app: the declaration.
        log: where it is read from.
        progress: told of every step.
        num_folds: how many test periods, one after the other, each with all the past before it to learn from.
        valid: share of the trials that decide when to stop.
        test: share of the trials in a test period.
        num_requests: how many moments of a test period are replayed at most, for each surface; 0 for none.
        upto_seq: the last log position to read; by default all.
        seed: of everything random.

    Raises:
        OfflineError: when there is no surface, the log holds too little to learn from, or one moment is
            asked for.
    """
    check_num_moments(num_requests)
    steps = Steps(progress)
    surfaces = list(app.surfaces.values())
    if not surfaces:
        raise OfflineError(
            f"app {app.name}",
            expected="a surface to judge",
            received="none",
            mend='Declare one: app.surface("home", sources=[sl.Popular()]).',
        )
    ranked = [surface for surface in surfaces if surface.ladder is not None]
    with steps.step("read the log") as report:
        history = History.read(app, log, upto_seq, report)
        times_us = log_times(log, history.last_seq)
    trials = None
    with steps.step("collect trials"):
        if ranked:
            labels = list(dict.fromkeys(label for surface in ranked for label in surface.value))
            trials = read_trials(history, log, labels, seed)
            splits = rolling_splits(
                trials.times_us, trials.settled_us, history.last_log_time_us,
                num_folds=num_folds, valid=valid, test=test,
            )  # fmt: skip
        else:
            splits = event_splits(history, surfaces, num_folds=num_folds, valid=valid, test=test)
    folds = []
    for split in splits:
        comparisons: tuple[SurfaceComparison, ...] = ()
        if trials is not None:
            with steps.step("compute features"):
                dataset = make_dataset(history, trials, split.train)
            comparer = Comparer(dataset, split, num_items=len(history.items), seed=seed, steps=steps)
            comparisons = tuple(comparer.compare(surface) for surface in ranked)
            del dataset, comparer
        funnels: tuple[FunnelReport, ...] = ()
        if num_requests:
            past = read_past(history, log, times_us, split.test, steps)
            _, artifacts = fit_release(past, log, surfaces, valid=valid, test=test, seed=seed, steps=steps)
            funnels = replay_period(
                history, log, times_us, split.test, artifacts, surfaces,
                num_requests=num_requests, seed=seed, steps=steps,
            ).funnels  # fmt: skip
        folds.append(Fold(split, comparisons, funnels))
    return BacktestReport(
        history.last_seq,
        0 if trials is None else len(trials),
        None if trials is None else trials.sampling,
        tuple(folds),
        steps.seconds,
    )
