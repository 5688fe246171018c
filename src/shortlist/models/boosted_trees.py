"""Gradient-boosted trees: LightGBM fits them; parsing its text and a compiled kernel score them.

N rows, F feature columns.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from shortlist.models.calibration.curve import IDENTITY, Calibration
from shortlist.models.contract import (
    Examples,
    FeatureColumn,
    FittedRanker,
    Progress,
    RankingModel,
    some_groups,
)
from shortlist.models.errors import ModelFileError, require
from shortlist.models.files import columns_from_json, columns_to_json, read_description, write_description
from shortlist.models.trees.text import LOG_ODDS, parse_trees

_TREES_FILE = "trees.txt"
OBJECTIVES = ("binary", "lambdarank")
_HELD_OUT = 0.2
_MOST_ROWS_OF_A_QUERY = 10_000  # LightGBM takes no more
_ROWS_FOR_THREADS = 20_000  # below, threads that wait for one another cost more than they bring


@dataclass(frozen=True)
class BoostedTrees(RankingModel):
    """Gradient-boosted decision trees (Ke et al. 2017, "LightGBM").

    With "lambdarank" they order each group's rows (Burges, "From RankNet to LambdaRank to LambdaMART", 2010);
    to become probabilities their scores are calibrated, on `valid` or on a fifth of the groups held out.

    Args:
        num_trees: at most so many; fewer when `valid` stops improving.
        num_leaves: leaves of a tree.
        learning_rate: how far each tree moves the scores.
        min_leaf: fewest rows of a leaf.
        l2: ridge penalty on leaf values.
        row_fraction: share of the rows that each tree sees.
        column_fraction: share of the columns that each tree sees.
        patience: stop after so many trees without a better log loss on `valid`; with "lambdarank", NDCG@10.
        objective: "binary", the log loss, or "lambdarank".

    Raises:
        ModelError: when a setting is out of range.
    """

    num_trees: int = 300
    num_leaves: int = 63
    learning_rate: float = 0.05
    min_leaf: int = 100
    l2: float = 1.0
    row_fraction: float = 1.0
    column_fraction: float = 0.8
    patience: int = 30
    objective: str = "binary"
    kind: ClassVar[str] = "boosted_trees"

    def __post_init__(self) -> None:
        known = self.objective in OBJECTIVES
        require(known, "BoostedTrees.objective", expected=" or ".join(OBJECTIVES), received=self.objective)
        for name in ("num_trees", "min_leaf", "patience"):
            value = getattr(self, name)
            require(value >= 1, f"BoostedTrees.{name}", expected="at least 1", received=value)
        require(self.num_leaves >= 2, "BoostedTrees.num_leaves", expected="2+", received=self.num_leaves)
        require(self.l2 >= 0, "BoostedTrees.l2", expected="0 or more", received=self.l2)
        for name in ("learning_rate", "row_fraction", "column_fraction"):
            value = getattr(self, name)
            require(0 < value <= 1, f"BoostedTrees.{name}", expected="above 0, at most 1", received=value)

    def fit(
        self,
        train: Examples,
        valid: Examples | None,
        *,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> FittedBoostedTrees:
        """Boost until `num_trees`, or until `valid` has not improved for `patience` trees.

        When all labels are equal, the model is one leaf that says so: a probability of nearly 0 or 1.
        """
        # Its threads would spin while they wait for each other: on two cores that have other work too,
        # a fit took 47 seconds instead of 12. OpenMP reads this once, as it is loaded.
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        import lightgbm  # heavy, and needed for training only

        orders = self.objective == "lambdarank"
        held_out = valid
        if orders:
            if held_out is None:
                is_held = some_groups(train.groups, _HELD_OUT, seed)
                train, held_out = train.rows(~is_held), train.rows(is_held)
            train, valid = _by_group(train), None if valid is None else _by_group(valid)
        train_set = _dataset(lightgbm, train, None, has_queries=orders)
        callbacks: list[Callable[..., None]] = []
        if progress is not None:
            callbacks.append(_report(progress))
        if valid is not None:
            callbacks.append(lightgbm.early_stopping(self.patience, verbose=False))
        booster = lightgbm.train(
            self._parameters(seed, num_rows=len(train.labels)),
            train_set,
            num_boost_round=self.num_trees,
            valid_sets=[] if valid is None else [_dataset(lightgbm, valid, train_set, has_queries=orders)],
            callbacks=callbacks,
        )
        best = booster.best_iteration if valid is not None else -1
        fitted = FittedBoostedTrees(train.columns, booster.model_to_string(num_iteration=best))
        return fitted.calibrated_on(held_out, seed) if orders and held_out is not None else fitted

    def _parameters(self, seed: int, num_rows: int) -> dict[str, Any]:
        return {
            "objective": self.objective,
            **({"metric": "ndcg", "eval_at": [10]} if self.objective == "lambdarank" else {}),
            "num_leaves": self.num_leaves,
            "learning_rate": self.learning_rate,
            "min_data_in_leaf": self.min_leaf,
            "lambda_l2": self.l2,
            "bagging_fraction": self.row_fraction,
            "bagging_freq": 1 if self.row_fraction < 1 else 0,
            "feature_fraction": self.column_fraction,
            "seed": seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 0 if num_rows >= _ROWS_FOR_THREADS else 1,
            "verbosity": -1,
        }


class FittedBoostedTrees(FittedRanker):
    """An ensemble of trees, kept as LightGBM's text and as flat arrays to score with."""

    kind: ClassVar[str] = "boosted_trees"

    def __init__(
        self, columns: tuple[FeatureColumn, ...], text: str, calibration: Calibration = IDENTITY
    ) -> None:
        self.columns, self.calibration = columns, calibration
        self._text = text
        self._trees = parse_trees(text)
        if self._trees.num_features != len(columns):
            raise ModelFileError(
                f"boosted_trees: the trees know {self._trees.num_features} features, "
                f"the description names {len(columns)}."
            )
        from shortlist.models.trees.scorer import TreeScorer  # compiled kernels are heavy to import

        self._raw_scores = TreeScorer(self._trees)

    def log_odds(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the sum of the leaves each row falls into, calibrated where it only orders."""
        return self.calibration(self._raw_scores(features))

    @property
    def reads_columns(self) -> bool:
        """True: the kernel takes either order in memory."""
        return True

    @property
    def only_orders(self) -> bool:
        """Whether the trees' own scores are no log-odds."""
        return self._trees.objective != LOG_ODDS

    def calibrated_on(self, held_out: Examples, seed: int = 0) -> Self:
        """Return the same trees with the calibration that suits rows they were not fitted on best."""
        from shortlist.models.calibration.fit import best_calibration  # compiled: heavy to import

        plain = type(self)(self.columns, self._text)
        scores = plain.log_odds(np.ascontiguousarray(held_out.features))
        found = best_calibration(scores, held_out, are_log_odds=not self.only_orders, seed=seed)
        return type(self)(self.columns, self._text, found)

    def importance(self) -> dict[str, float]:
        """Return each column's share of the gain of all splits."""
        gain_F = self._trees.gain
        shares_F = gain_F / (gain_F.sum() or 1.0)
        return {column.name: float(share) for column, share in zip(self.columns, shares_F, strict=True)}

    def save(self, folder: Path) -> None:
        """Write `model.json` and `trees.txt`, LightGBM's own text format."""
        columns, calibration = columns_to_json(self.columns), self.calibration.as_dict()
        write_description(folder, self.kind, columns=columns, calibration=calibration)
        (folder / _TREES_FILE).write_text(self._text, encoding="utf-8", newline="\n")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; raises `ModelFileError` when it is damaged."""
        description = read_description(folder, cls.kind, columns=list, calibration=dict)
        try:
            text = (folder / _TREES_FILE).read_bytes().decode()
        except (OSError, ValueError) as error:
            raise ModelFileError(f"{folder / _TREES_FILE}: expected LightGBM's text: {error}") from error
        columns = columns_from_json(folder, description["columns"])
        return cls(columns, text, Calibration.from_dict(folder, description["calibration"]))


def _by_group(examples: Examples) -> Examples:
    """Return the rows group by group, as queries must lie."""
    order = np.argsort(examples.groups, kind="stable")
    weights = None if examples.weights is None else examples.weights[order]
    return Examples(
        examples.features[order], examples.columns, examples.labels[order], examples.groups[order], weights
    )


def _query_sizes(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the lengths of the runs of equal groups; a run beyond LightGBM's limit makes several queries."""
    starts = np.flatnonzero(np.diff(groups, prepend=groups[0] - 1))
    place_N = np.arange(len(groups)) - np.repeat(starts, np.diff(starts, append=len(groups)))
    starts = np.flatnonzero(place_N % _MOST_ROWS_OF_A_QUERY == 0)
    return np.diff(starts, append=len(groups))


def _dataset(lightgbm: Any, examples: Examples, reference: Any | None, *, has_queries: bool) -> Any:
    categorical = [index for index, column in enumerate(examples.columns) if column.categorical]
    return lightgbm.Dataset(
        examples.features,
        label=examples.labels,
        weight=examples.weights,
        group=_query_sizes(examples.groups) if has_queries else None,
        categorical_feature=categorical,
        reference=reference,
        free_raw_data=True,
    )


def _report(progress: Progress) -> Callable[[Any], None]:
    def after_tree(environment: Any) -> None:
        progress(environment.iteration + 1, environment.end_iteration)

    return after_tree
