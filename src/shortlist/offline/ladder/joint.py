"""Rungs that learn all labels at once are fitted once, and stand in the contest of each label.

N trials.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from shortlist.models.contract import Examples, FittedRanker, RankingModel
from shortlist.models.multi_task import MultiTaskRankingModel, TaskExamples
from shortlist.offline.dataset import Dataset
from shortlist.offline.splits import Period, Split


class Fits:
    """Fits rungs on a split; a multi-task rung on every label of the dataset, when the first one asks.

    So the first label's contest is told all of the seconds, and those after it none.
    """

    def __init__(self, dataset: Dataset, split: Split, *, seed: int) -> None:
        self._dataset, self._split, self._seed = dataset, split, seed
        self._together: dict[str, Mapping[str, FittedRanker]] = {}

    def fit(
        self,
        rung: RankingModel,
        label: str,
        train: Examples,
        valid: Examples,
        progress: Callable[[int, int], None],
    ) -> FittedRanker:
        """Return a rung fitted on one label.

        Args:
            rung: the definition.
            label: which of the dataset's labels.
            train: the label's examples of the training period; a multi-task rung takes those of all labels.
            valid: those of the validation period.
            progress: told of the steps done and the steps in all.
        """
        if not isinstance(rung, MultiTaskRankingModel):
            return rung.fit(train, valid, seed=self._seed, progress=progress)
        name = repr(rung)
        if name not in self._together:
            tasks = (self._tasks(self._split.train), self._tasks(self._split.valid))
            self._together[name] = rung.fit_tasks(*tasks, seed=self._seed, progress=progress)
        return self._together[name][label]

    def others(self, rung: RankingModel, label: str, labels: Sequence[str]) -> list[FittedRanker]:
        """Return the heads of a fitted rung for other labels; none where each label has a model of its own.

        Args:
            rung: the definition, fitted before.
            label: whose head is not among them.
            labels: which are.
        """
        heads = self._together.get(repr(rung), {})
        return [heads[other] for other in labels if other != label and other in heads]

    def _tasks(self, period: Period) -> TaskExamples:
        """Return the trials of a period with an outcome of any label; NaN where one is not settled."""
        dataset, trials = self._dataset, self._dataset.trials
        known: dict[str, NDArray[np.int64]] = {
            label: trials.rows(label, period, self._split.learnt_us) for label in trials.positive
        }
        rows = np.unique(np.concatenate(list(known.values())))
        labels = {
            label: np.where(np.isin(rows, known[label]), trials.positive[label][rows], np.float32(np.nan))
            for label in known
            if len(known[label])
        }
        users = trials.requests.users[rows]
        return TaskExamples(dataset.features[rows], dataset.columns, labels, users)
