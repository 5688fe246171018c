"""Vectors made elsewhere, looked up by id: real Parquet files, cosines against NumPy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars
import pytest

from models.conformance import RetrievalModelConformance
from models.planted import interactions
from shortlist.models.errors import ModelError
from shortlist.models.retrieval import UserBatch
from shortlist.models.vector_table import VectorTable


def vectors_of(numbers: np.ndarray, width: int = 16) -> np.ndarray:
    """Vectors of planted items: those that end in the same digit point the same way."""
    noise = np.random.default_rng(3).normal(0, 0.05, (1000, width))
    return (np.eye(width)[numbers % 10] + noise[numbers]).astype(np.float32)


def written(path: Path, numbers: np.ndarray, **columns) -> str:
    table = {
        "item": [f"item-{number}" for number in numbers],
        "vector": vectors_of(numbers).tolist(),
        **columns,
    }
    polars.DataFrame(table).write_parquet(path)
    return str(path)


class TestVectorTable(RetrievalModelConformance):
    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def table(cls, tmp_path_factory: pytest.TempPathFactory) -> None:
        path = tmp_path_factory.mktemp("elsewhere") / "vectors.parquet"
        cls.model = VectorTable(written(path, np.random.default_rng(1).permutation(400)))


def test_scores_are_cosines_with_the_mean_of_the_last_items(tmp_path: Path) -> None:
    model = VectorTable(written(tmp_path / "v.parquet", np.arange(200)), history=3)
    fitted = model.fit(interactions(30, 200, 300, seed=1))
    history = np.array([[5, 17, 120, 8, 9]], np.int32)
    unit = vectors_of(np.arange(200))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    mean = unit[[5, 17, 120]].mean(axis=0)  # the newest three
    expected = unit @ (mean / np.linalg.norm(mean))
    np.testing.assert_allclose(fitted.scores(UserBatch(history))[0], expected, atol=1e-5)


def test_an_item_without_a_vector_is_never_found_and_counts_in_no_history(tmp_path: Path) -> None:
    fitted = VectorTable(written(tmp_path / "v.parquet", np.arange(0, 200, 2)), history=2).fit(
        interactions(30, 200, 300, seed=1)
    )
    items, _ = fitted.retrieve(UserBatch(np.array([[3, 4, 5, 14]], np.int32)), 150)
    found = items[items >= 0]
    assert len(found) == 100
    assert (found % 2 == 0).all()
    assert np.array_equal(
        fitted.scores(UserBatch(np.array([[3, 4, 5, 14]], np.int32))),
        fitted.scores(UserBatch(np.array([[4, 14]], np.int32))),
    )


def test_a_user_is_the_mean_of_what_is_known_to_the_last_bit(tmp_path: Path) -> None:
    fitted = VectorTable(written(tmp_path / "v.parquet", np.arange(0, 200, 3)), history=7).fit(
        interactions(30, 200, 300, seed=1)
    )
    rng, vectors = np.random.default_rng(2), fitted.index.vectors
    for length in (0, 1, 5, 40):
        history = rng.integers(-1, 203, (20, length)).astype(np.int32)
        for user_D, history_L in zip(fitted.user_vectors(UserBatch(history)), history, strict=True):
            known = [item for item in history_L if 0 <= item < 200 and vectors[item, -1] == 0][:7]
            mean = vectors[known].mean(axis=0) if known else np.zeros(vectors.shape[1], np.float32)
            expected = mean / (np.linalg.norm(mean) or 1.0)
            expected[-1] = 1.0
            assert np.array_equal(user_D, expected)


def test_nothing_is_found_for_a_history_without_vectors(tmp_path: Path) -> None:
    fitted = VectorTable(written(tmp_path / "v.parquet", np.arange(0, 200, 2))).fit(
        interactions(30, 200, 300, seed=1)
    )
    items, scores = fitted.retrieve(UserBatch(np.array([[3, 5], [3, 4], [-1, -1]], np.int32)), 5)
    assert (items[[0, 2]] == -1).all()
    assert (scores[[0, 2]] == 0).all()
    assert (items[1] >= 0).all()


def test_ids_that_are_numbers_are_read_as_the_log_writes_them(tmp_path: Path) -> None:
    path = written(tmp_path / "v.parquet", np.arange(20), item=np.arange(20), id=np.arange(20))
    data = replace(interactions(10, 20, 50, seed=1), item_ids=[str(number) for number in range(20)])
    fitted = VectorTable(path, id_column="id").fit(data)
    assert (fitted.index.vectors[:, -1] == 0).all()


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    data = interactions(10, 20, 50, seed=1)
    good = written(tmp_path / "good.parquet", np.arange(20))
    ragged = written(tmp_path / "ragged.parquet", np.arange(2), vector=[[1.0], [1.0, 2.0]])
    texts = written(tmp_path / "texts.parquet", np.arange(2), vector=["a", "b"])
    twice = written(tmp_path / "twice.parquet", np.arange(2), item=["item-1", "item-1"])
    odd = written(tmp_path / "odd.parquet", np.arange(2), vector=[[1.0, np.nan], [1.0, 2.0]])
    for path, told in (
        (str(tmp_path / "nowhere.parquet"), "expected a Parquet file"),
        (__file__, "expected a Parquet file"),
        (ragged, "all of one length"),
        (texts, "lists of numbers"),
        (twice, "each id once"),
        (odd, "finite vectors"),
    ):
        with pytest.raises(ModelError, match=told):
            VectorTable(path).fit(data)
    with pytest.raises(ModelError, match="expected a Parquet file whose column"):
        VectorTable(good, vector_column="embedding").fit(data)
    with pytest.raises(ModelError, match="such as 'a', 'a', 'a'; received 20 of others, such as 'item-0'"):
        VectorTable(good).fit(replace(data, item_ids=["a"] * 20))
    with pytest.raises(ModelError, match="items' ids"):
        VectorTable(good).fit(replace(data, item_ids=None))
    with pytest.raises(ModelError, match=r"VectorTable\.history"):
        VectorTable(good, history=0)
