"""A file that LightGBM wrote elsewhere is a rung: the same scores, and columns that are ours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import lightgbm
import numpy as np
import pytest

from models.conformance import RankingModelConformance
from models.planted import COLUMNS, examples
from shortlist.models.errors import ModelError, ModelFileError
from shortlist.models.foreign.columns import check_columns
from shortlist.models.lightgbm_file import LightgbmFile

NAMES = [column.name for column in COLUMNS]


def written(path: Path, names: list[str] | str = "auto", **parameters) -> lightgbm.Booster:
    """Fit trees with LightGBM itself on the planted rows, and write its file."""
    rows = examples(6000, seed=1)
    ranks = parameters.get("objective", "binary") in ("lambdarank", "rank_xendcg")
    data = lightgbm.Dataset(
        rows.features, rows.labels, feature_name=names, categorical_feature=[2],
        group=[100] * 60 if ranks else None,
    )  # fmt: skip
    settings = {"objective": "binary", "verbosity": -1, "num_threads": 1, "deterministic": True, **parameters}
    booster = lightgbm.train(settings, data, 40)
    booster.save_model(path)
    return booster


class TestLightgbmFile(RankingModelConformance):
    learns = False

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def trees(cls, tmp_path_factory: pytest.TempPathFactory) -> None:
        path = tmp_path_factory.mktemp("elsewhere") / "trees.txt"
        written(path, NAMES)
        cls.model = LightgbmFile(str(path))


@pytest.mark.parametrize("names", ["auto", NAMES])
def test_probabilities_are_those_of_lightgbm(names, tmp_path: Path) -> None:
    booster = written(tmp_path / "trees.txt", names)
    fitted = LightgbmFile(str(tmp_path / "trees.txt")).fit(examples(500, seed=2), None)
    query = examples(1000, seed=3).features
    np.testing.assert_allclose(fitted.predict(query), booster.predict(query), rtol=1e-12)


@pytest.mark.parametrize("objective", ["lambdarank", "rank_xendcg"])
def test_the_scores_of_a_ranker_become_probabilities(objective: str, tmp_path: Path) -> None:
    booster = written(tmp_path / "trees.txt", objective=objective)
    valid = examples(4000, seed=2)
    fitted = LightgbmFile(str(tmp_path / "trees.txt")).fit(examples(500, seed=4), valid)
    query = examples(1000, seed=3)
    predicted = fitted.predict(query.features)
    order = np.argsort(booster.predict(query.features), kind="stable")
    assert (np.diff(predicted[order]) >= 0).all()
    assert predicted.mean() == pytest.approx(query.labels.mean(), abs=0.03)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["count", "rate", "topic", "noise"], r"column 0 to be 'rate', received 'count'.*rate, count"),
        (["rate", "count", "topic", "humbug"], r"column 3 to be 'noise', received 'humbug'"),
    ],
)
def test_other_columns_are_refused(names: list[str], told: str, tmp_path: Path) -> None:
    written(tmp_path / "trees.txt", names)
    with pytest.raises(ModelError, match=told):
        LightgbmFile(str(tmp_path / "trees.txt")).fit(examples(50, seed=1), None)


def test_fewer_columns_are_refused(tmp_path: Path) -> None:
    rows = examples(600, seed=1)
    data = lightgbm.Dataset(rows.features[:, :3], rows.labels)
    lightgbm.train({"verbosity": -1, "objective": "binary"}, data, 3).save_model(tmp_path / "trees.txt")
    with pytest.raises(ModelError, match="expected 4 columns, received 3"):
        LightgbmFile(str(tmp_path / "trees.txt")).fit(rows, None)


def test_names_that_lightgbm_cannot_write_are_compared_by_what_it_can() -> None:
    """It turns the spaces of a name into underscores, and refuses commas."""
    rows = examples(20, seed=1)
    name = "count(watch, by=(user, video.tag), window=7d)"
    columns = (replace(COLUMNS[0], name=name), *COLUMNS[1:])
    as_written = ["count_watch_by_user_video.tag_window_7d", *NAMES[1:]]
    check_columns(LightgbmFile("x"), as_written, replace(rows, columns=columns))
    with pytest.raises(ModelError, match="column 0"):
        check_columns(LightgbmFile("x"), ["count_like_by_user", *NAMES[1:]], replace(rows, columns=columns))


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    rows = examples(50, seed=1)
    with pytest.raises(ModelError, match=r"LightgbmFile\.path"):
        LightgbmFile("")
    with pytest.raises(ModelError, match=r"LightgbmFile\.path"):
        LightgbmFile(str(tmp_path / "nowhere.txt")).fit(rows, None)
    written(tmp_path / "trees.txt", objective="regression")
    with pytest.raises(ModelFileError, match="objective must be"):
        LightgbmFile(str(tmp_path / "trees.txt")).fit(rows, None)
