"""Boosted trees that were fitted elsewhere: LightGBM's text file as a rung, scored by our own kernel.

N rows, F feature columns.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from shortlist.models.boosted_trees import FittedBoostedTrees
from shortlist.models.contract import Examples, Progress, RankingModel
from shortlist.models.errors import ModelError, require
from shortlist.models.foreign.columns import check_columns


@dataclass(frozen=True)
class LightgbmFile(RankingModel):
    """What LightGBM's `booster.save_model(path)` wrote: a binary classifier, or a ranker.

    Nothing is learnt, so its figures are honest only if it was not fitted on the period that it is judged
    on. It must have been fitted on this declaration's columns, in their order, categories as the
    declaration numbers them. Names are compared by their letters and digits, since LightGBM allows few
    other signs; where the file names its columns `Column_0` and so on, only their number can be checked. A
    ranker's scores are calibrated on the validation rows.

    Args:
        path: of the file; it is read when the rung is fitted, and copied into the release.

    Raises:
        ModelError: when the path is empty.
    """

    path: str
    kind: ClassVar[str] = "lightgbm_file"

    def __post_init__(self) -> None:
        given = isinstance(self.path, str) and bool(self.path)
        require(given, "LightgbmFile.path", expected="the path of a file", received=self.path)

    def fit(
        self,
        train: Examples,
        valid: Examples | None,
        *,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> FittedLightgbmFile:
        """Read the file and check its columns; calibrate it where its scores only order rows.

        Raises:
            ModelError: when there is no such file, or its columns are others.
            ModelFileError: when the file is damaged, or a kind of model that is not scored.
        """
        try:
            text = Path(self.path).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise ModelError(f"LightgbmFile.path: expected LightGBM's text file: {error}") from error
        names = re.search(r"^feature_names=(.*)$", text, re.MULTILINE)
        check_columns(self, [] if names is None else names[1].split(), train)
        fitted = FittedLightgbmFile(train.columns, text)
        if fitted.only_orders:
            fitted = fitted.calibrated_on(valid or train, seed)
        if progress is not None:
            progress(1, 1)
        return fitted


class FittedLightgbmFile(FittedBoostedTrees):
    """The trees of the file, with their calibration."""

    kind: ClassVar[str] = "lightgbm_file"
