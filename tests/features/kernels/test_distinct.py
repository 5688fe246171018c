"""Distinct codes against a dictionary."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.features.kernels.distinct import distinct

CODE = st.one_of(st.integers(-2, 6), st.integers(-(2**63), 2**63 - 1))


@settings(deadline=None)
@given(st.one_of(st.lists(CODE, max_size=40), st.lists(st.integers(0, 300), min_size=400, max_size=600)))
def test_each_code_is_found_once_in_the_order_of_its_first_row(codes: list[int]) -> None:
    found, group = np.empty(len(codes) + 1, np.int64), np.empty(len(codes), np.int64)
    expected = list(dict.fromkeys(codes))
    assert distinct(np.array(codes, np.int64), found, group) == len(expected)
    assert found[: len(expected)].tolist() == expected
    assert [expected[place] for place in group] == codes
