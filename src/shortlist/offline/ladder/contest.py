"""The ladder, climbed: every rung fitted on one label, judged beside the baselines, and the simplest kept.

N held-out trials.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from shortlist.metrics import Interval, paired_difference
from shortlist.models.contract import FittedRanker, RankingModel
from shortlist.offline.dataset import Dataset
from shortlist.offline.errors import OfflineError
from shortlist.offline.evaluate import LabelScore, row_losses, score_label
from shortlist.offline.ladder.baselines import popularity_probabilities, rate_probabilities
from shortlist.offline.ladder.costs import Budget, Cost, ranker_cost
from shortlist.offline.ladder.joint import Fits
from shortlist.offline.progress import Steps
from shortlist.offline.splits import Period, Split

BASELINES = ("Rate", "ItemRate")


@dataclass(frozen=True)
class Contender:
    """A rung or a baseline, fitted on one label.

    Attributes:
        name: the model's class, or its whole definition where a ladder has a class twice.
        definition: the settings, as declared.
        score: its metrics on the test period.
        fit_s: seconds to fit.
        fitted: the model; None for a baseline.
        probabilities: float64 [N], of `Contest.test_rows`.
        cost: what it takes to serve; None where that was not measured.
    """

    name: str
    definition: str
    score: LabelScore
    fit_s: float
    fitted: FittedRanker | None = field(repr=False)
    probabilities: NDArray[np.float64] = field(repr=False)
    cost: Cost | None = None


@dataclass(frozen=True)
class Comparison:
    """By how many nats a trial the log loss of `simpler` exceeds that of `stronger`, with its interval."""

    simpler: str
    stronger: str
    gain: Interval

    @property
    def is_beaten(self) -> bool:
        """Whether the stronger one is better by more than noise."""
        return self.gain.low > 0


@dataclass(frozen=True)
class Contest:
    """All contenders on one label, the baselines first, then the rungs from simple to strong.

    `budget_ms` is how long one model may take at p99; None where no cost was measured.
    """

    label: str
    num_train: int
    num_valid: int
    test_rows: NDArray[np.int64] = field(repr=False)
    contenders: tuple[Contender, ...]
    comparisons: tuple[Comparison, ...]
    chosen: Contender
    budget_ms: float | None = None

    def is_over(self, contender: Contender) -> bool:
        """Whether it takes longer than the budget allows."""
        return not is_within(contender, self.budget_ms)

    @property
    def rungs(self) -> tuple[Contender, ...]:
        """The contenders that can be served."""
        return tuple(contender for contender in self.contenders if contender.fitted is not None)


def hold_contest(
    dataset: Dataset,
    split: Split,
    label: str,
    rungs: Sequence[RankingModel],
    *,
    num_items: int,
    seed: int = 0,
    steps: Steps | None = None,
    fits: Fits | None = None,
    budget: Budget | None = None,
) -> Contest:
    """Fit every rung on a label's training period, judge it on the test period, and choose.

    A rung that stops early does so by the validation period; it is released as it was judged, not fitted
    again on later data, so that the figures on its card are its own. `fits` remembers the rungs that learn
    several labels at once from one contest to the next.

    With a budget, every rung's cost is measured, and none over it is chosen; when all are, the fastest is.

    Raises:
        OfflineError: when a period has no outcome, or training has one class only.
    """
    steps, fits = steps or Steps(), fits or Fits(dataset, split, seed=seed)
    trials, budget_ms = dataset.trials, None if budget is None else budget.ms
    train, valid, test = (
        _outcomes(dataset, label, name, period, settled_by_us)
        for name, period, settled_by_us in (
            ("training", split.train, split.learnt_us),
            ("validation", split.valid, split.learnt_us),
            ("test", split.test, split.judged_us),
        )
    )
    _check_classes(label, trials.positive[label][train])
    contenders = [
        _judged(dataset, label, test, name, "", 0.0, None, probabilities, seed)
        for name, probabilities in zip(
            BASELINES,
            (
                rate_probabilities(trials, label, train, test),
                popularity_probabilities(trials, label, train, test, num_items),
            ),
            strict=True,
        )
    ]
    train_examples, valid_examples = dataset.examples(label, train), dataset.examples(label, valid)
    test_features = dataset.features[test]
    for name, rung in zip(rung_names(rungs), rungs, strict=True):
        with steps.step(f"fit {label}: {name}") as report:
            started_s = time.perf_counter()
            fitted = fits.fit(rung, label, train_examples, valid_examples, report)
            fit_s = time.perf_counter() - started_s
        with steps.step(f"judge {label}: {name}"):
            probabilities = fitted.predict(test_features)
            judged = _judged(dataset, label, test, name, repr(rung), fit_s, fitted, probabilities, seed)
            if budget is not None:
                others = fits.others(rung, label, budget.labels)
                cost = ranker_cost(fitted, fit_s, test_features, budget.num_candidates, seed, others=others)
                judged = replace(judged, cost=cost)
            contenders.append(judged)
    served = [contender for contender in contenders if contender.fitted is not None]
    labels, users = trials.positive[label][test], trials.requests.users[test]
    chosen, comparisons = simplest_unbeaten(affordable(served, budget_ms), labels, users, seed)
    return Contest(
        label, len(train), len(valid), test, tuple(contenders), tuple(comparisons), chosen, budget_ms
    )


def affordable(rungs: Sequence[Contender], budget_ms: float | None) -> list[Contender]:
    """Return the rungs within the budget, or the fastest alone when none is."""
    within = [rung for rung in rungs if is_within(rung, budget_ms)]
    return within or [min(rungs, key=lambda rung: 0.0 if rung.cost is None else rung.cost.p99_ms)]


def is_within(contender: Contender, budget_ms: float | None) -> bool:
    """Whether a contender answers within a budget; what was not measured does."""
    return budget_ms is None or contender.cost is None or contender.cost.p99_ms <= budget_ms


def simplest_unbeaten(
    rungs: Sequence[Contender], labels: NDArray[np.float32], users: NDArray[np.int64], seed: int = 0
) -> tuple[Contender, list[Comparison]]:
    """Return the first rung whose log loss no later one betters by more than noise, and what was compared.

    Noise: the 95 % interval of the paired difference over resampled users.

    Args:
        rungs: one or more, from simple to strong.
        labels: float32 [N] in {0, 1}.
        users: int64 [N].
        seed: of the resamples.
    """
    comparisons: list[Comparison] = []
    for place, simpler in enumerate(rungs):
        losses = row_losses(labels, simpler.probabilities)
        beside = [
            Comparison(
                simpler.name,
                stronger.name,
                paired_difference(losses, row_losses(labels, stronger.probabilities), users, seed=seed),
            )
            for stronger in rungs[place + 1 :]
        ]
        comparisons += beside
        if not any(comparison.is_beaten for comparison in beside):
            return simpler, comparisons
    raise AssertionError("the last rung has none after it")


def rung_names(rungs: Sequence[RankingModel]) -> list[str]:
    """Name rungs by their class, or by all of their settings where a class stands twice."""
    classes = [rung.name for rung in rungs]
    return [
        name if classes.count(name) == 1 else repr(rung) for name, rung in zip(classes, rungs, strict=True)
    ]


def _judged(
    dataset: Dataset,
    label: str,
    rows: NDArray[np.int64],
    name: str,
    definition: str,
    fit_s: float,
    fitted: FittedRanker | None,
    probabilities: NDArray[np.float64],
    seed: int,
) -> Contender:
    score = score_label(dataset.trials, label, rows, probabilities, seed)
    return Contender(name, definition, score, fit_s, fitted, probabilities)


def _outcomes(
    dataset: Dataset, label: str, name: str, period: Period, settled_by_us: int
) -> NDArray[np.int64]:
    rows = dataset.trials.rows(label, period, settled_by_us)
    num_users = len(np.unique(dataset.trials.requests.users[rows]))
    if num_users < 2:
        raise OfflineError(
            f"label {label}, {name} period {period}",
            expected="settled outcomes of two users or more",
            received=f"{len(rows)} outcomes of {num_users}",
            mend="An outcome settles when the label's window has passed: log more days, or shorten `within`.",
        )
    return rows


def _check_classes(label: str, positive: NDArray[np.float32]) -> None:
    num_positives = int(positive.sum())
    if num_positives == 0 or num_positives == len(positive):
        raise OfflineError(
            f"label {label}",
            expected="positives and negatives in the training period",
            received=f"{num_positives} positives of {len(positive)} trials",
            mend="Check the label's condition and its window with `shortlist check`, log more events, or "
            "take the label out of the surface's value.",
        )
