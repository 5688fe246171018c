"""What stages share, against plain loops."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.stages.kernels import is_falling, is_reordered, new_among, occurrences, places_among
from shortlist.stages.membership import among

many = settings(max_examples=150, deadline=None)
codes = st.lists(st.integers(-1, 12), max_size=60).map(lambda values: np.array(values, np.int64))


@many
@given(codes, codes)
def test_among_is_membership(items, others):
    assert among(items, others).tolist() == [item in others for item in items.tolist()]


@many
@given(codes, codes.map(np.unique))
def test_places_are_those_of_the_others(items, others):
    expected = [others.tolist().index(item) if item in others else -1 for item in items.tolist()]
    assert places_among(items, others).tolist() == expected


@many
@given(codes.map(np.unique), st.data())
def test_only_another_order_of_the_same_is_reordered(items, data):
    other = np.array(data.draw(st.permutations(items.tolist()) | codes.map(np.ndarray.tolist)), np.int64)
    assert is_reordered(other, items) == (sorted(other.tolist()) == items.tolist())


@many
@given(st.lists(st.integers(-1, 9), max_size=30), codes, st.integers(0, 8), st.integers(0, 99))
def test_new_among_passes_over_what_was_had_or_has_no_code(found, had, num, seed):
    of_number = np.random.default_rng(seed).permutation(14)[:10] - 1
    expected = [
        (int(of_number[one]), place)
        for place, one in enumerate(found)
        if one >= 0 and of_number[one] >= 0 and of_number[one] not in had
    ][:num]
    items, places = new_among(np.array(found, np.int64), of_number, had, num)
    assert list(zip(items.tolist(), places.tolist(), strict=True)) == expected


@many
@given(st.lists(st.floats(-4, 4), max_size=6))
def test_falling_is_in_the_order_of_a_sort(scores):
    assert is_falling(np.array(scores, np.float64)) == (scores == sorted(scores, reverse=True))


@many
@given(codes)
def test_occurrences_count_what_stands_before(groups):
    before: Counter[int] = Counter()
    expected = []
    for group in groups.tolist():
        expected.append(0 if group < 0 else before[group])
        before[group] += 1
    assert occurrences(groups).tolist() == expected
