"""The merge against a plain loop."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.pipeline.merge import merge

lists = st.lists(st.integers(0, 30), unique=True, max_size=20).map(lambda codes: np.array(codes, np.int64))
proposals = st.dictionaries(st.integers(0, 61), lists, max_size=6)


@settings(max_examples=200, deadline=None)
@given(proposals, st.integers(1, 40))
def test_it_takes_from_every_source_in_turn(proposed, width):
    masks: dict[int, int] = {}
    for turn in range(20):
        for items in proposed.values():
            if turn < len(items):
                masks.setdefault(int(items[turn]), 0)
    for source, items in proposed.items():
        for item in items.tolist():
            masks[item] |= 1 << source
    merged, cut = merge(proposed, width)
    assert [*merged.items.tolist(), *cut.tolist()] == list(masks)
    assert merged.sources.tolist() == [masks[item] for item in merged.items.tolist()]
    assert len(merged) == min(width, len(masks))


def test_a_narrow_width_is_shared_fairly():
    merged, _ = merge({0: np.arange(100), 1: np.arange(200, 300), 2: np.arange(400, 403)}, 20)
    assert [(merged.sources == bit).sum() for bit in (1, 2, 4)] == [9, 8, 3]


def test_a_source_that_names_an_item_twice_does_no_harm():
    merged, cut = merge({0: np.array([4, 4, 7]), 1: np.array([7])}, 10)
    assert merged.items.tolist() == [4, 7]
    assert merged.sources.tolist() == [1, 3]
    assert len(cut) == 0
