"""Whole numbers in few bytes: back come the same, and they take what the greatest needs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from shortlist.features.narrow import narrowed, widened

EDGES = [edge + step for bits in (7, 15, 31, 63) for edge in (-(2**bits), 2**bits - 1) for step in (-1, 0, 1)]
INT64 = np.iinfo(np.int64)
WHOLE = st.one_of(
    st.sampled_from([edge for edge in EDGES if INT64.min <= edge <= INT64.max]), st.integers(-300, 300)
)


@given(hnp.arrays(np.int64, hnp.array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=6), elements=WHOLE))
def test_what_was_narrowed_comes_back(array: np.ndarray) -> None:
    back = widened(narrowed(array))
    assert back.dtype == np.int64
    assert back.shape == array.shape
    assert np.array_equal(back, array)


@pytest.mark.parametrize(
    ("greatest", "num_bytes"), [(127, 1), (128, 2), (2**15, 4), (2**31 - 1, 4), (2**31, 8), (-129, 2)]
)
def test_a_column_takes_what_its_greatest_needs(greatest: int, num_bytes: int) -> None:
    column = np.array([0, greatest, 1], np.int64)
    assert narrowed(column).nbytes == 3 * num_bytes
    both = np.stack([column, np.zeros(3, np.int64)], 1)
    assert narrowed(both).nbytes == 3 * (num_bytes + 1)


@pytest.mark.parametrize("array", [np.array([0.5, np.nan]), np.array([True, False]), np.zeros(3, np.uint8)])
def test_other_numbers_stay_as_they_are(array: np.ndarray) -> None:
    assert narrowed(array) is array
    assert widened(array) is array
