"""The best n of a row, against a sort of everything."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

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
