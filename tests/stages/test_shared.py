"""What stages share, against plain loops."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.stages.kernels import occurrences
from shortlist.stages.membership import among

many = settings(max_examples=150, deadline=None)
codes = st.lists(st.integers(-1, 12), max_size=60).map(lambda values: np.array(values, np.int64))


@many
@given(codes, codes)
def test_among_is_membership(items, others):
    assert among(items, others).tolist() == [item in others for item in items.tolist()]


@many
@given(codes)
def test_occurrences_count_what_stands_before(groups):
    before: Counter[int] = Counter()
    expected = []
    for group in groups.tolist():
        expected.append(0 if group < 0 else before[group])
        before[group] += 1
    assert occurrences(groups).tolist() == expected
