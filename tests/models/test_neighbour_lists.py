"""Lists of neighbours against the rows of a matrix, and the files that are refused."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.models.co_visitation import FittedCoVisitation
from shortlist.models.errors import ModelFileError
from shortlist.models.neighbours.lists import NeighbourLists, trimmed
from shortlist.models.retrieval import UserBatch


def drawn(
    rng: np.random.Generator, num_items: int, most: int, num_rows: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Rows int32 [R, M] and float32 [R, M] of distinct neighbours at the front, -1 and 0 behind them."""
    num_rows = num_items if num_rows is None else num_rows
    neighbours = np.full((num_rows, most), -1, np.int32)
    scores = np.zeros((num_rows, most), np.float32)
    for row in range(num_rows):
        count = int(rng.integers(0, min(num_items, most) + 1)) if rng.random() < 0.6 else 0
        neighbours[row, :count] = rng.permutation(num_items)[:count]
        scores[row, :count] = np.sort(rng.choice([0.125, 0.25, 0.3, 0.7], count))[::-1]
    return neighbours, scores


def packed(neighbours: np.ndarray, scores: np.ndarray, num_blocks: int = 1) -> NeighbourLists:
    cuts = np.linspace(0, len(neighbours), num_blocks + 1).astype(int)
    return NeighbourLists.joined(
        [trimmed(neighbours[first:last], scores[first:last]) for first, last in pairwise(cuts)]
    )


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    num_items=st.integers(1, 30),
    most=st.integers(1, 12),
    num_blocks=st.integers(1, 5),
    length=st.integers(0, 8),
)
def test_a_history_is_scored_as_by_the_matrix(
    seed: int, num_items: int, most: int, num_blocks: int, length: int
) -> None:
    rng = np.random.default_rng(seed)
    neighbours, scores = drawn(rng, num_items, most)
    fitted = FittedCoVisitation(packed(neighbours, scores, num_blocks), 2.0)
    history = rng.integers(-1, num_items + 2, length).astype(np.int32)
    sums = np.zeros(num_items)
    near = np.zeros(num_items, bool)
    for place, item in enumerate(history):
        if 0 <= item < num_items:
            kept = neighbours[item] >= 0
            sums[neighbours[item, kept]] += np.exp2(-place / 2.0) * scores[item, kept]
            near[neighbours[item, kept]] = True
    expected = np.where(near, sums, 0.0).astype(np.float32)
    assert np.array_equal(fitted.scores(UserBatch(history[None]))[0], expected)
    found, best = fitted.score_history(history, 5)
    order = np.lexsort((np.arange(num_items), -expected))
    order = order[near[order]][:5]
    assert found.tolist() == order.tolist()
    assert np.array_equal(best, expected[order])
    for item in range(num_items):
        items, row = fitted.similar(item, most)
        assert np.array_equal(items, neighbours[item, neighbours[item] >= 0])
        assert np.array_equal(row, scores[item, neighbours[item] >= 0])


def test_lists_take_what_is_in_them(tmp_path: Path) -> None:
    """Of 5,000 items 100 have neighbours, up to 12 each; a matrix would take 5,000 x 12 x 8 bytes."""
    neighbours, scores = np.full((5000, 12), -1, np.int32), np.zeros((5000, 12), np.float32)
    neighbours[::50], scores[::50] = drawn(np.random.default_rng(1), 5000, 12, num_rows=100)
    num_kept = int((neighbours >= 0).sum())
    assert num_kept > 0
    packed(neighbours, scores, 7).save(tmp_path)
    size = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert size == 8 * 5001 + 8 * num_kept + 3 * 128  # and a header each
    loaded = NeighbourLists.load(tmp_path)
    for part in (loaded.starts, loaded.items, loaded.scores):
        assert not part.flags.writeable
        assert isinstance(part.base, np.memmap)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    packed(*drawn(np.random.default_rng(2), 20, 6)).save(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "place", "value", "message"),
    [
        ("starts", 0, 1, "starts that rise from 0"),
        ("starts", -1, 3, "starts that rise from 0"),
        ("starts", -1, 10**6, "starts that rise from 0"),
        ("starts", 5, -1, "starts that rise from 0"),
        ("starts", 5, 10**6, "starts that rise from 0"),
        ("neighbours", 3, -1, r"neighbours 0\.\.19"),
        ("neighbours", 0, 20, r"neighbours 0\.\.19"),
        ("similarity", 2, np.nan, "finite scores"),
        ("similarity", 2, np.inf, "finite scores"),
        ("similarity", -1, -np.inf, "finite scores"),
    ],
)
def test_numbers_out_of_range_are_refused(
    folder: Path, name: str, place: int, value: float, message: str
) -> None:
    NeighbourLists.load(folder)
    array = np.load(folder / f"{name}.npy")
    array[place] = value
    np.save(folder / f"{name}.npy", array)
    with pytest.raises(ModelFileError, match=message):
        NeighbourLists.load(folder)


@pytest.mark.parametrize("name", ["starts", "neighbours", "similarity"])
@pytest.mark.parametrize("harm", ["missing", "shorter", "other type", "empty"])
def test_files_of_another_shape_are_refused(folder: Path, name: str, harm: str) -> None:
    path = folder / f"{name}.npy"
    array = np.load(path)
    if harm == "missing":
        path.unlink()
    else:
        kept = {"shorter": array[:-1], "other type": array.astype(np.float64), "empty": array[:0]}
        np.save(path, kept[harm])
    with pytest.raises(ModelFileError):
        NeighbourLists.load(folder)


def test_of_no_items_there_are_no_neighbours(tmp_path: Path) -> None:
    NeighbourLists.joined([]).save(tmp_path)
    assert len(NeighbourLists.load(tmp_path)) == 0
