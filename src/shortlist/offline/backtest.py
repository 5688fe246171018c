"""Backtests: the ladder and the whole funnel on held-out time, in one period or several that roll on.

For each test period, two things that know the past alone:

every rung and the baselines, fitted before the period    -> judged on its trials
the release that training would have published then       -> replayed through it, see `replay`
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shortlist.declare.app import App
from shortlist.declare.surface import Surface
from shortlist.features.offline import History
from shortlist.log.protocol import EventLog
from shortlist.offline.compare import Comparer, SurfaceComparison
from shortlist.offline.dataset import make_dataset, read_trials
from shortlist.offline.errors import OfflineError
from shortlist.offline.fitting import fit_release
from shortlist.offline.funnel_report import FunnelReport, funnel_report
from shortlist.offline.funnel_tables import funnel_as_dict
from shortlist.offline.moments import draw_moments, log_times
from shortlist.offline.progress import Progress, Steps
from shortlist.offline.replay import Walk, replay
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
        num_trials: impressions, or sampled trials.
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
    """Judge the ladder and the funnel of every surface with a ranker on held-out time; nothing is published.

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
        OfflineError: when no surface has a ranker, or the log holds too little to learn from.
    """
    steps = Steps(progress)
    surfaces = [surface for surface in app.surfaces.values() if surface.ladder is not None]
    if not surfaces:
        raise OfflineError(
            f"app {app.name}",
            expected="a surface with a ranker",
            received="none",
            mend="Give one a ladder: ranker=sl.Ladder(sl.Logistic(), sl.BoostedTrees()).",
        )
    with steps.step("read the log") as report:
        history = History.read(app, log, upto_seq, report)
    with steps.step("collect trials"):
        labels = list(dict.fromkeys(label for surface in surfaces for label in surface.value))
        trials = read_trials(history, log, labels, seed)
        splits = rolling_splits(
            trials.times_us, trials.settled_us, history.last_log_time_us,
            num_folds=num_folds, valid=valid, test=test,
        )  # fmt: skip
        times_us = log_times(log, history.last_seq)
    folds = []
    for split in splits:
        with steps.step("compute features"):
            dataset = make_dataset(history, trials, split.train)
        comparer = Comparer(dataset, split, num_items=len(history.items), seed=seed, steps=steps)
        comparisons = tuple(comparer.compare(surface) for surface in surfaces)
        del dataset, comparer
        funnels = (
            _replayed(history, log, times_us, split, surfaces, valid, test, num_requests, seed, steps)
            if num_requests
            else ()
        )
        folds.append(Fold(split, comparisons, funnels))
    return BacktestReport(history.last_seq, len(trials), trials.sampling, tuple(folds), steps.seconds)


def _replayed(
    history: History,
    log: EventLog,
    times_us: NDArray[np.int64],
    split: Split,
    surfaces: Sequence[Surface],
    valid: float,
    test: float,
    num_requests: int,
    seed: int,
    steps: Steps,
) -> tuple[FunnelReport, ...]:
    """Replay a test period through the release that training would have published when it began."""
    start_seq = int(np.searchsorted(times_us, split.test.start_us))
    with steps.step("read the past") as report:
        past = History.read(history.app, log, start_seq, report)
    _, artifacts = fit_release(past, log, surfaces, valid=valid, test=test, seed=seed, steps=steps)
    with steps.step("fold the past") as report:
        walk = Walk(history.app, log, start_seq, report)
    with steps.step("replay") as report:
        moments = {
            surface.surface_name: draw_moments(
                history, times_us, surface, split.test, num_moments=num_requests, seed=seed
            )
            for surface in surfaces
        }
        seen = replay(walk, artifacts, moments, seed=seed, progress=report)
        return tuple(funnel_report(name, one, seed=seed) for name, one in seen.items())
