"""Models that learn several labels at once: one body, a head for each label.

N rows, F feature columns.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.models.contract import (
    Examples,
    FeatureColumn,
    FittedRanker,
    Progress,
    RankingModel,
    some_groups,
)
from shortlist.models.errors import require

_ALONE = "label"  # what the only task of a fit on plain examples is called


@dataclass(frozen=True)
class TaskExamples:
    """Rows to learn several labels from.

    Args:
        features: float32 [N, F]; NaN is missing.
        columns: what the F columns are.
        labels: for each task float32 [N], 0 or 1; NaN where its outcome is not settled: such a row teaches
            the other tasks only.
        groups: int64 [N], the user (or request) of each row.
        weights: float32 [N], positive, or None for equal weights.

    Raises:
        ModelError: when there is no task, a task has no row, or as `Examples`.
    """

    features: NDArray[np.float32]
    columns: tuple[FeatureColumn, ...]
    labels: Mapping[str, NDArray[np.float32]]
    groups: NDArray[np.int64]
    weights: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        require(bool(self.labels), "TaskExamples.labels", expected="a task or more", received="none")
        rows = len(self.features)
        for task, labels_N in self.labels.items():
            require(
                labels_N.shape == (rows,),
                f"TaskExamples.labels[{task!r}]", expected=f"{rows} labels", received=labels_N.shape,
            )  # fmt: skip
            self.of(task)

    def of(self, task: str) -> Examples:
        """Return the rows of which a task's outcome is settled."""
        labels_N = self.labels[task]
        known_N = ~np.isnan(labels_N)
        weights = None if self.weights is None else self.weights[known_N]
        return Examples(
            self.features[known_N], self.columns, labels_N[known_N], self.groups[known_N], weights
        )

    def without_some_groups(self, share: float, seed: int) -> tuple[TaskExamples, TaskExamples]:
        """Return the rows of most groups, and those of a random share of the groups."""
        held_N = some_groups(self.groups, share, seed)
        return self._rows(~held_N), self._rows(held_N)

    def _rows(self, chosen: NDArray[np.bool_]) -> TaskExamples:
        labels = {task: labels_N[chosen] for task, labels_N in self.labels.items()}
        weights = None if self.weights is None else self.weights[chosen]
        return TaskExamples(self.features[chosen], self.columns, labels, self.groups[chosen], weights)

    @classmethod
    def alone(cls, examples: Examples) -> TaskExamples:
        """Return the examples of one label as those of one task."""
        labels = {_ALONE: examples.labels}
        return cls(examples.features, examples.columns, labels, examples.groups, examples.weights)


class MultiTaskRankingModel(RankingModel):
    """The definition of a model that learns several labels at once."""

    @abstractmethod
    def fit_tasks(
        self,
        train: TaskExamples,
        valid: TaskExamples | None,
        *,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Mapping[str, FittedRanker]:
        """Learn all tasks of `train`, with `valid` to decide when to stop; return a ranker for each task.

        The rankers share what they have in common when they are asked together, see `FittedRanker.predict`.
        """

    def fit(
        self,
        train: Examples,
        valid: Examples | None,
        *,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> FittedRanker:
        """Learn one label."""
        held_out = None if valid is None else TaskExamples.alone(valid)
        return self.fit_tasks(TaskExamples.alone(train), held_out, seed=seed, progress=progress)[_ALONE]
