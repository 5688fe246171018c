"""The exact index, and the best n of a row, against a sort of everything."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.arrays import ArrayFileError
from shortlist.index.exact import ExactIndex
from shortlist.index.top import top_n


@settings(deadline=None)
@given(
    scores=st.lists(st.integers(-3, 3) | st.just(-100), min_size=1, max_size=12),
    n=st.integers(0, 15),
)
def test_the_best_are_those_of_a_full_sort(scores: list[int], n: int) -> None:
    """A -100 stands for an item that must not be returned."""
    row = np.array([scores], np.float32)
    row[row == -100] = -np.inf
    expected = sorted((-value, item) for item, value in enumerate(row[0].tolist()) if value > -np.inf)[:n]
    items, best = top_n(row, n)
    assert items[0].tolist() == [item for _, item in expected] + [-1] * (n - len(expected))
    assert best[0, : len(expected)].tolist() == [-negative for negative, _ in expected]


def test_a_search_finds_the_greatest_products(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    vectors, queries = (random.normal(size=(rows, 8)).astype(np.float32) for rows in (500, 300))
    index = ExactIndex(vectors)
    items, products = index.search(queries, 10)
    everything = queries.astype(np.float64) @ vectors.T.astype(np.float64)
    assert (items == np.argsort(-everything, axis=1)[:, :10]).all()
    np.testing.assert_allclose(products, np.take_along_axis(everything, items, axis=1), rtol=1e-5)
    index.save(tmp_path)
    assert (ExactIndex.load(tmp_path).search(queries, 10)[0] == items).all()


def test_a_damaged_index_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArrayFileError, match="index_vectors"):
        ExactIndex.load(tmp_path)
    np.save(tmp_path / "index_vectors.npy", np.full((2, 2), np.nan, np.float32))
    with pytest.raises(ArrayFileError, match="finite"):
        ExactIndex.load(tmp_path)
