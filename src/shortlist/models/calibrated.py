"""A model whose probabilities are calibrated on held-out rows.

N rows, F feature columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from shortlist.models.calibration.curve import IDENTITY, Calibration
from shortlist.models.contract import FittedRanker, Progress, RankingModel, Shared
from shortlist.models.discovery import fitted_class
from shortlist.models.errors import ModelFileError, require
from shortlist.models.files import read_description, write_description
from shortlist.models.multi_task import MultiTaskRankingModel, TaskExamples

_INSIDE = "model"  # the folder of the model that is calibrated


@dataclass(frozen=True)
class Calibrated(MultiTaskRankingModel):
    """A ranking model, and after it Platt's line, an isotonic curve, or nothing: by held-out log loss.

    The choice is cross-fitted over users on the validation rows (`calibration.fit.best_calibration`). Order
    is kept, up to ties. A model of several labels stays one model, each head with a calibration of its own.

    Args:
        model: what is calibrated, such as `sl.BoostedTrees()`.
        held_out: share of the groups that is kept from training to calibrate on, where no rows to validate on
            are given.

    Raises:
        ModelError: when the model is no ranking model, or is calibrated already.
    """

    model: RankingModel
    held_out: float = 0.2
    kind: ClassVar[str] = "calibrated"

    def __post_init__(self) -> None:
        fits = isinstance(self.model, RankingModel) and not isinstance(self.model, Calibrated)
        require(fits, "Calibrated.model", expected="one ranking model", received=self.model)
        share_ok = 0 < self.held_out < 1
        require(share_ok, "Calibrated.held_out", expected="above 0, below 1", received=self.held_out)

    @property
    def name(self) -> str:
        """Return the name of the calibrated model with what is done to it."""
        return f"Calibrated({self.model.name})"

    def fit_tasks(
        self,
        train: TaskExamples,
        valid: TaskExamples | None,
        *,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> Mapping[str, FittedRanker]:
        """Fit the model, then calibrate each task on `valid`, or on groups held out of `train`.

        A task that `valid` has no row of is left as the model predicts it.
        """
        from shortlist.models.calibration.fit import best_calibration  # compiled: heavy to import

        rows = valid
        if rows is None:
            train, rows = train.without_some_groups(self.held_out, seed)
        fitted = _fit(self.model, train, valid, seed, progress)
        calibrated: dict[str, FittedRanker] = {}
        for task, ranker in fitted.items():
            calibration = IDENTITY
            if task in rows.labels:
                examples = rows.of(task)
                scores = ranker.log_odds(np.ascontiguousarray(examples.features))
                calibration = best_calibration(scores, examples, seed=seed)
            calibrated[task] = FittedCalibrated(ranker, calibration)
        return calibrated


class FittedCalibrated(FittedRanker):
    """A fitted model and its calibration."""

    kind: ClassVar[str] = "calibrated"

    def __init__(self, ranker: FittedRanker, calibration: Calibration) -> None:
        self.columns = ranker.columns
        self.ranker, self.calibration = ranker, calibration

    @property
    def reads_columns(self) -> bool:
        """Whether the model does."""
        return self.ranker.reads_columns

    def log_odds(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the model's log-odds, calibrated."""
        return self.calibration(self.ranker.log_odds(features))

    def log_odds_sharing(self, features: NDArray[np.float32], shared: Shared) -> NDArray[np.float64]:
        """Return the model's log-odds, calibrated; what it shares with others is computed once."""
        return self.calibration(self.ranker.log_odds_sharing(features, shared))

    def importance(self) -> dict[str, float]:
        """Return the model's own."""
        return self.ranker.importance()

    def save(self, folder: Path) -> None:
        """Write `model.json` with the calibration, and the model into the folder `model`."""
        calibration = self.calibration.as_dict()
        write_description(folder, self.kind, model_kind=self.ranker.kind, calibration=calibration)
        (folder / _INSIDE).mkdir()
        self.ranker.save(folder / _INSIDE)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; raises `ModelFileError` when it is damaged."""
        description = read_description(folder, cls.kind, model_kind=str, calibration=dict)
        found = fitted_class(description["model_kind"])
        if not issubclass(found, FittedRanker) or found is cls:
            raise ModelFileError(f"{folder}: expected a ranking model inside, received {found.kind!r}.")
        return cls(found.load(folder / _INSIDE), Calibration.from_dict(folder, description["calibration"]))


def _fit(
    model: RankingModel,
    train: TaskExamples,
    valid: TaskExamples | None,
    seed: int,
    progress: Progress | None,
) -> Mapping[str, FittedRanker]:
    if isinstance(model, MultiTaskRankingModel):
        return model.fit_tasks(train, valid, seed=seed, progress=progress)
    fitted = {}
    for number, task in enumerate(train.labels):

        def report(done: int, total: int, before: int = number) -> None:
            if progress is not None:
                progress(before * total + done, len(train.labels) * total)

        held_out = valid.of(task) if valid is not None and task in valid.labels else None
        fitted[task] = model.fit(train.of(task), held_out, seed=seed, progress=report)
    return fitted
