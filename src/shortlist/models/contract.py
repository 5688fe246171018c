"""What a ranking model is: a definition that fits, and a fitted model that predicts, saves and loads.

A definition is a frozen dataclass of hyperparameters, `Logistic(l2=1.0)`. Its `fit` returns a fitted
model, immutable and light: it predicts and loads without the libraries that trained it.

N rows, F feature columns.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from shortlist.models.errors import ModelError, require

Progress = Callable[[int, int], None]
"""Called now and then while a model fits, with the steps done and the steps in all."""

Shared = dict[str, NDArray[np.float32]]
"""What was computed from one feature matrix that rankers have in common, by whatever names they give it."""

_MAX_LOG_ODDS = 34.0  # 1 / (1 + exp(-34)) is still below 1 in float64


@dataclass(frozen=True)
class FeatureColumn:
    """One column of a feature matrix.

    A categorical column holds codes 0..cardinality-1 as float32; NaN is a missing or unknown category.
    """

    name: str
    categorical: bool = False
    cardinality: int = 0


@dataclass(frozen=True)
class Examples:
    """Rows to learn ranking from.

    Args:
        features: float32 [N, F]; NaN is missing.
        columns: what the F columns are.
        labels: float32 [N], 0 or 1.
        groups: int64 [N], the user (or request) of each row.
        weights: float32 [N], positive, or None for equal weights.

    Raises:
        ModelError: when shapes or types disagree, or a label is neither 0 nor 1.
    """

    features: NDArray[np.float32]
    columns: tuple[FeatureColumn, ...]
    labels: NDArray[np.float32]
    groups: NDArray[np.int64]
    weights: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        rows = len(self.labels)
        shape = (rows, len(self.columns))
        require(
            self.features.shape == shape,
            "Examples.features",
            expected=f"shape {shape}",
            received=self.features.shape,
        )
        require(
            self.features.dtype == np.float32,
            "Examples.features",
            expected="float32",
            received=str(self.features.dtype),
        )
        require(rows > 0, "Examples", expected="at least one row", received=rows)
        labels_ok = bool(np.isin(self.labels, (0.0, 1.0)).all())
        require(labels_ok, "Examples.labels", expected="only 0 and 1", received=np.unique(self.labels)[:5])
        require(
            self.groups.shape == (rows,), "Examples.groups", expected=f"{rows}", received=self.groups.shape
        )
        if self.weights is not None:
            weights_ok = self.weights.shape == (rows,) and bool((self.weights > 0).all())
            require(
                weights_ok, "Examples.weights", expected=f"{rows} positive weights", received=self.weights
            )

    def rows(self, chosen: NDArray[np.bool_]) -> Examples:
        """Return the rows that a mask bool [N] chooses."""
        weights = None if self.weights is None else self.weights[chosen]
        return Examples(
            self.features[chosen], self.columns, self.labels[chosen], self.groups[chosen], weights
        )


def some_groups(groups: NDArray[np.int64], share: float, seed: int) -> NDArray[np.bool_]:
    """Return which rows belong to a random share of the groups, bool [N]: one group at least, and not all.

    A single group's rows are split instead.
    """
    _, number_N = np.unique(groups, return_inverse=True)
    if number_N.max() == 0:
        number_N = np.arange(len(groups))
    num_groups = int(number_N.max()) + 1
    num_taken = min(max(1, round(share * num_groups)), num_groups - 1)
    taken = np.zeros(num_groups, np.bool_)
    taken[np.random.default_rng(seed).permutation(num_groups)[:num_taken]] = True
    return np.asarray(taken[number_N], np.bool_)


class RankingModel(ABC):
    """The definition of a model that scores rows of features; `kind` is the name of its file."""

    kind: ClassVar[str]

    @property
    def name(self) -> str:
        """What a table calls the model."""
        return type(self).__name__

    @abstractmethod
    def fit(
        self,
        train: Examples,
        valid: Examples | None,
        *,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> FittedRanker:
        """Learn from `train`, with `valid` to decide when to stop; the same seed gives the same model."""


class FittedRanker(ABC):
    """A model that turns rows of features into probabilities."""

    kind: ClassVar[str]
    columns: tuple[FeatureColumn, ...]

    def predict(self, features: NDArray[np.float32], shared: Shared | None = None) -> NDArray[np.float64]:
        """Return the probability of each row, float64 [N], strictly between 0 and 1.

        A row's probability depends on that row alone, bit for bit, whatever rows come with it.

        Args:
            features: float32 [N, F], in the order of `columns`; NaN is missing. Never changed; and not
                copied when it lies row after row, or, where `reads_columns`, column after column.
            shared: give the same dictionary to all rankers that are asked about the same matrix, and what
                several of them need, such as the body of one network, is computed once.

        Raises:
            ModelError: when the matrix does not have F columns.
        """
        if features.ndim != 2 or features.shape[1] != len(self.columns):
            raise ModelError(
                f"{self.kind}: expected features of shape [N, {len(self.columns)}], received "
                f"{list(features.shape)}. Pass the columns it was trained on, in their order: "
                f"{', '.join(column.name for column in self.columns)}."
            )
        if not (self.reads_columns and features.flags.f_contiguous and features.dtype == np.float32):
            features = np.ascontiguousarray(features, dtype=np.float32)
        log_odds = self.log_odds_sharing(features, {} if shared is None else shared)
        odds = np.maximum(log_odds, -_MAX_LOG_ODDS)  # a new array: the log-odds may be another's, too
        np.negative(np.minimum(odds, _MAX_LOG_ODDS, out=odds), out=odds)
        np.add(np.exp(odds, out=odds), 1.0, out=odds)
        return np.divide(1.0, odds, out=odds)

    @property
    def reads_columns(self) -> bool:
        """Whether `log_odds` takes a matrix that lies column after column, too, as features are computed."""
        return False

    @abstractmethod
    def log_odds(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return log(p / (1 - p)) of each row of a float32 [N, F] matrix; called by `predict`.

        The matrix lies row after row, or, where `reads_columns`, column after column.
        """

    def log_odds_sharing(self, features: NDArray[np.float32], shared: Shared) -> NDArray[np.float64]:
        """Return `log_odds`; a model that has a part in common with others takes it from `shared`."""
        return self.log_odds(features)

    @abstractmethod
    def importance(self) -> dict[str, float]:
        """Return each column's share of what the model learned; shares sum to 1, or are all 0."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the model's files into an existing folder."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            ModelFileError: when a file is missing, damaged, or of another kind of model.
        """
