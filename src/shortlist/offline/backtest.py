"""Backtests: every rung and the baselines on held-out time, in one split or several that roll on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shortlist.declare.app import App
from shortlist.features.offline import History
from shortlist.log.protocol import EventLog
from shortlist.offline.compare import Comparer, SurfaceComparison
from shortlist.offline.dataset import make_dataset, read_trials
from shortlist.offline.errors import OfflineError
from shortlist.offline.progress import Progress, Steps
from shortlist.offline.report import comparison_as_dict, split_as_dict
from shortlist.offline.splits import Split, rolling_splits


@dataclass(frozen=True)
class Fold:
    """One split, and what each surface's ladder came to on it."""

    split: Split
    comparisons: tuple[SurfaceComparison, ...]


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
    upto_seq: int | None = None,
    seed: int = 0,
) -> BacktestReport:
    """Judge the ladder of every surface on held-out time; nothing is published.

    Args:
        app: the declaration.
        log: where it is read from.
        progress: told of every step.
        num_folds: how many test periods, one after the other, each with all the past before it to learn from.
        valid: share of the trials that decide when to stop.
        test: share of the trials in a test period.
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
    folds = []
    for split in splits:
        with steps.step("compute features"):
            dataset = make_dataset(history, trials, split.train)
        comparer = Comparer(dataset, split, num_items=len(history.items), seed=seed, steps=steps)
        folds.append(Fold(split, tuple(comparer.compare(surface) for surface in surfaces)))
    return BacktestReport(history.last_seq, len(trials), trials.sampling, tuple(folds), steps.seconds)
