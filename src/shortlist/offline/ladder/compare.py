"""A surface's ladder on one split: a contest for each label, and the value of each rung's order.

N trials.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.declare.surface import Surface
from shortlist.models.contract import FittedRanker, RankingModel
from shortlist.offline.dataset import Dataset
from shortlist.offline.errors import OfflineError
from shortlist.offline.evaluate import ValueScore, score_value
from shortlist.offline.ladder.baselines import popularity_probabilities, rate_probabilities
from shortlist.offline.ladder.contest import BASELINES, Contest, hold_contest
from shortlist.offline.ladder.costs import Budget, ranker_budget
from shortlist.offline.ladder.joint import Fits
from shortlist.offline.progress import Steps
from shortlist.offline.splits import Split

CHOSEN = "chosen"


@dataclass(frozen=True)
class SurfaceComparison:
    """What the ladder of a surface came to on one split.

    Attributes:
        surface: the surface's name.
        contests: one a label of the surface's value.
        values: by model, what its order of held-out lists was worth; "chosen" mixes the labels' choices.
    """

    surface: str
    contests: tuple[Contest, ...]
    values: Mapping[str, ValueScore]

    @property
    def rankers(self) -> dict[str, FittedRanker]:
        """The chosen model of each label, by its name."""
        chosen = {contest.label: contest.chosen.fitted for contest in self.contests}
        return {label: fitted for label, fitted in chosen.items() if fitted is not None}


class Comparer:
    """Compares surfaces on one dataset and split; a label that two surfaces share is contested once.

    Where it is told what features cost, by surface, it measures the rungs, and a surface's budget bounds what
    is chosen. Then a shared label is contested once for each budget: rungs of one label are fitted again.
    """

    def __init__(
        self,
        dataset: Dataset,
        split: Split,
        *,
        num_items: int,
        seed: int,
        steps: Steps,
        features_ms: Mapping[str, float] | None = None,
    ) -> None:
        self._dataset, self._split, self._steps = dataset, split, steps
        self._num_items, self._seed, self._features_ms = num_items, seed, features_ms
        self._fits = Fits(dataset, split, seed=seed)
        self._contests: dict[tuple[str, str, Budget | None], Contest] = {}

    def compare(self, surface: Surface) -> SurfaceComparison:
        """Climb the ladder of a surface that has one.

        Raises:
            OfflineError: when a rung is no ranking model, or as `hold_contest`.
        """
        assert surface.ladder is not None
        contests = tuple(self._contest(str(label), surface) for label in surface.value)
        with self._steps.step(f"value of {surface.surface_name}"):
            values = self._values(surface, contests)
        return SurfaceComparison(surface.surface_name, contests, values)

    def _contest(self, label: str, surface: Surface) -> Contest:
        ladder = surface.ladder
        assert ladder is not None
        budget = None
        if self._features_ms is not None:
            budget = ranker_budget(surface, self._features_ms[surface.surface_name])
        known = self._contests.get((label, repr(ladder), budget))
        if known is None:
            rungs = [rung for rung in ladder.rungs if isinstance(rung, RankingModel)]
            if len(rungs) < len(ladder.rungs):
                raise OfflineError(
                    f"surface {surface.surface_name}, ranker",
                    expected="ranking models",
                    received=ladder,
                    mend="Write ranker=sl.Ladder(sl.Logistic(), sl.BoostedTrees()).",
                )
            known = self._contests[label, repr(ladder), budget] = hold_contest(
                self._dataset, self._split, label, rungs,
                num_items=self._num_items, seed=self._seed, steps=self._steps, fits=self._fits,
                budget=budget,
            )  # fmt: skip
        return known

    def _values(self, surface: Surface, contests: tuple[Contest, ...]) -> dict[str, ValueScore]:
        worth = {str(label): float(value) for label, value in surface.value.items()}
        trials = self._dataset.trials
        rows = trials.settled_rows(self._split.test, self._split.judged_us)
        features = self._dataset.features[rows]
        orders: dict[str, dict[str, NDArray[np.float64]]] = {}
        for contest in contests:
            train = trials.rows(contest.label, self._split.train, self._split.learnt_us)
            label = contest.label
            by_item = popularity_probabilities(trials, label, train, rows, self._num_items)
            baselines = (rate_probabilities(trials, label, train, rows), by_item)
            for name, probabilities in zip(BASELINES, baselines, strict=True):
                orders.setdefault(name, {})[label] = probabilities
            for rung in contest.rungs:
                assert rung.fitted is not None
                orders.setdefault(rung.name, {})[label] = rung.fitted.predict(features)
            orders.setdefault(CHOSEN, {})[label] = orders[contest.chosen.name][label]
        found = {}
        for name, by_label in orders.items():
            scores = np.zeros(len(rows))
            for label, probabilities in by_label.items():
                scores += worth[label] * probabilities
            if (value := score_value(trials, worth, rows, scores, self._seed)) is not None:
                found[name] = value
        return found
