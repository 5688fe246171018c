"""A network that was trained elsewhere: an ONNX file as a rung, run by onnxruntime.

N rows, F feature columns.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from shortlist.models.calibration.curve import IDENTITY, Calibration
from shortlist.models.contract import Examples, FeatureColumn, FittedRanker, Progress, RankingModel
from shortlist.models.errors import ModelError, ModelFileError, require
from shortlist.models.files import (
    columns_from_json,
    columns_to_json,
    frozen,
    read_array,
    read_description,
    write_array,
    write_description,
)
from shortlist.models.foreign.columns import check_columns
from shortlist.models.foreign.onnx_session import input_and_output, open_session

GIVES = ("probability", "log_odds", "order")
_MODEL_FILE = "model.onnx"
_SAMPLED_ROWS = 300  # a column's importance is measured on so many
_SMALLEST = 1e-15


@dataclass(frozen=True)
class OnnxRanker(RankingModel):
    """An ONNX model with one input, float32 [N, F], and an output of one number a row.

    Nothing is learnt, so its figures are honest only if it was not trained on the period that it is judged
    on. It must take this declaration's columns, in their order, categories as the declaration numbers them;
    where the file's metadata has `columns`, a JSON list, the names are compared, else only their number. Of
    an output [N, 2] the second column is read. Rows are run one by one, so that none depends on its
    company: some 10 us a row for a small network. Needs onnxruntime (`pip install "shortlist[onnx]"`), also
    in serving.

    Args:
        path: of the file; it is read when the rung is fitted, and copied into the release.
        gives: "probability", "log_odds", or "order": then the scores are calibrated on the validation rows.
        output: the name of the output; empty where there is one only, or the last is meant.
        missing: what a missing entry, or an unknown category, is given as.

    Raises:
        ModelError: when a setting is out of range.
    """

    path: str
    gives: str = "probability"
    output: str = ""
    missing: float = 0.0
    kind: ClassVar[str] = "onnx_ranker"

    def __post_init__(self) -> None:
        given = isinstance(self.path, str) and bool(self.path)
        require(given, "OnnxRanker.path", expected="the path of a file", received=self.path)
        require(self.gives in GIVES, "OnnxRanker.gives", expected=" or ".join(GIVES), received=self.gives)
        finite = bool(np.isfinite(self.missing))
        require(finite, "OnnxRanker.missing", expected="a finite number", received=self.missing)

    def fit(
        self,
        train: Examples,
        valid: Examples | None,
        *,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> FittedOnnxRanker:
        """Read the file, check it and its columns; calibrate it where its scores only order rows.

        A row for which the network gives no number is answered with the base rate of `train`.

        Raises:
            ModelError: when there is no such file, its columns are others, or onnxruntime is not installed.
            ModelFileError: when the file is damaged, or more than data (`foreign.onnx_file.check_onnx`).
        """
        try:
            data = Path(self.path).read_bytes()
        except OSError as error:
            raise ModelError(f"OnnxRanker.path: expected an ONNX file: {error}") from error
        positives = float(train.labels.sum()) + 0.5
        base = float(np.log(positives / (len(train.labels) + 1.0 - positives)))
        nothing: NDArray[np.float64] = np.zeros(len(train.columns))
        plain = FittedOnnxRanker(
            train.columns, data, replace(self, path=_MODEL_FILE), base, IDENTITY, nothing
        )
        names = plain.names()
        if names is not None:
            check_columns(self, names, train)
        calibration = IDENTITY
        if self.gives == "order":
            from shortlist.models.calibration.fit import best_calibration  # compiled: heavy to import

            held_out = valid or train
            scores = plain.log_odds(np.ascontiguousarray(held_out.features))
            calibration = best_calibration(scores, held_out, are_log_odds=False, seed=seed)
        importance = _importance(plain, train.features, np.random.default_rng(seed))
        if progress is not None:
            progress(1, 1)
        return FittedOnnxRanker(train.columns, data, plain.definition, base, calibration, importance)


class FittedOnnxRanker(FittedRanker):
    """The file, and how its answers are read.

    Args:
        columns: the F columns.
        data: the file.
        definition: how it is run.
        base: the log-odds of a row for which it gives no number.
        calibration: what its log-odds become.
        importance: float64 [F], by how much its log-odds move when a column is shuffled, as shares.

    Raises:
        ModelFileError: when the file is damaged, more than data, or takes or gives something else.
        ModelError: when onnxruntime is not installed.
    """

    kind: ClassVar[str] = "onnx_ranker"

    def __init__(
        self,
        columns: tuple[FeatureColumn, ...],
        data: bytes,
        definition: OnnxRanker,
        base: float,
        calibration: Calibration,
        importance: NDArray[np.float64],
    ) -> None:
        self.columns, self.definition, self.calibration = columns, definition, calibration
        self._data, self._base = data, base
        self._importance: NDArray[np.float64] = frozen(importance)
        self._session = open_session(data, _MODEL_FILE)
        self._input, self._output = input_and_output(self._session, definition.output, columns, _MODEL_FILE)
        self._cardinality_F = np.array(
            [column.cardinality if column.categorical else np.inf for column in columns]
        )

    def log_odds(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Run the network on each row."""
        known_NF = ~np.isnan(features)
        is_category_F = np.isfinite(self._cardinality_F)
        known_NF &= ~is_category_F | ((features >= 0) & (features < self._cardinality_F))
        given_NF = np.where(known_NF, features, np.float32(self.definition.missing))
        answers_N = np.empty(len(features), np.float64)
        for row in range(len(features)):  # by itself: a batch may change the bits, or mix rows
            (answer,) = self._session.run([self._output], {self._input: given_NF[row : row + 1]})
            answers_N[row] = np.asarray(answer).reshape(-1)[-1]
        if self.definition.gives == "probability":
            bounded_N = np.clip(answers_N, _SMALLEST, 1.0 - _SMALLEST)
            answers_N = np.log(bounded_N) - np.log1p(-bounded_N)
        calibrated_N = self.calibration(np.clip(answers_N, -1e30, 1e30))
        return np.where(np.isnan(calibrated_N), self._base, calibrated_N)

    def names(self) -> list[str] | None:
        """Return the names of the columns that the file says it takes; None where it does not say."""
        told = self._session.get_modelmeta().custom_metadata_map.get("columns")
        try:
            names = None if told is None else json.loads(told)
        except ValueError as error:
            raise ModelError(f"OnnxRanker: expected a JSON list as metadata `columns`: {error}") from error
        return None if names is None else [str(name) for name in names]

    def importance(self) -> dict[str, float]:
        """Return each column's share of how far shuffling it moves the log-odds."""
        return {
            column.name: float(share) for column, share in zip(self.columns, self._importance, strict=True)
        }

    def save(self, folder: Path) -> None:
        """Write `model.json`, `importance.npy`, and the file as it came as `model.onnx`."""
        definition = self.definition
        write_description(
            folder, self.kind,
            columns=columns_to_json(self.columns), calibration=self.calibration.as_dict(), base=self._base,
            gives=definition.gives, output=definition.output, missing=definition.missing,
        )  # fmt: skip
        write_array(folder, "importance", self._importance)
        (folder / _MODEL_FILE).write_bytes(self._data)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; raises `ModelFileError` when it is damaged."""
        number = (int, float)
        found = read_description(
            folder, cls.kind,
            columns=list, calibration=dict, base=number, gives=str, output=str, missing=number,
        )  # fmt: skip
        columns = columns_from_json(folder, found["columns"])
        importance = read_array(folder, "importance", np.float64, (len(columns),))
        try:
            data = (folder / _MODEL_FILE).read_bytes()
            definition = OnnxRanker(_MODEL_FILE, found["gives"], found["output"], found["missing"])
        except (OSError, ModelError) as error:
            raise ModelFileError(f"{folder}: expected an ONNX ranker: {error}") from error
        calibration = Calibration.from_dict(folder, found["calibration"])
        return cls(columns, data, definition, found["base"], calibration, importance)


def _importance(
    fitted: FittedOnnxRanker, features: NDArray[np.float32], random: np.random.Generator
) -> NDArray[np.float64]:
    """Return by how much the log-odds move when a column is shuffled, as shares float64 [F]."""
    sampled_NF = features[random.choice(len(features), min(_SAMPLED_ROWS, len(features)), replace=False)]
    as_they_are_N, moves_F = fitted.log_odds(sampled_NF), np.zeros(features.shape[1])
    for f in range(features.shape[1]):
        shuffled_NF = sampled_NF.copy()
        shuffled_NF[:, f] = random.permutation(sampled_NF[:, f])
        moves_F[f] = np.sqrt(((fitted.log_odds(shuffled_NF) - as_they_are_N) ** 2).mean())
    return np.asarray(moves_F / (moves_F.sum() or 1.0), np.float64)
