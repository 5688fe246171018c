"""The pair index against a dictionary, through growth, removal, reuse and restart."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.features.kernels.key_index import PairIndex

ID = st.one_of(st.integers(-2, 6), st.integers(2**40, 2**40 + 3), st.just(2**63 - 1))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["insert", "insert", "remove", "restart"]), st.lists(st.tuples(ID, ID))),
        max_size=12,
    )
)
def test_it_is_a_dictionary_of_dense_slots(steps: list[tuple[str, list[tuple[int, int]]]]) -> None:
    index = PairIndex()
    expected: dict[tuple[int, int], int] = {}
    ever: set[tuple[int, int]] = {(0, 0)}
    for step, pairs in steps:
        a, b = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        ever.update(pairs)
        if step == "insert":
            for pair, slot in zip(pairs, index.insert(a, b).tolist(), strict=True):
                if min(pair) < 0:
                    assert slot == -1
                else:
                    assert expected.setdefault(pair, slot) == slot
        elif step == "remove":
            gone = [pair for pair in dict.fromkeys(pairs) if pair in expected]
            index.remove(np.array([expected.pop(pair) for pair in gone], dtype=np.int64))
        else:
            index = PairIndex.restore(index.snapshot())
        asked = sorted(ever)
        found = index.find(*np.array(asked, dtype=np.int64).T)
        assert found.tolist() == [expected.get(pair, -1) for pair in asked]
        assert len(index) == len(expected) == len(set(expected.values()))
        assert np.flatnonzero(index.live()).tolist() == sorted(expected.values())


def test_slots_are_dense_and_freed_ones_come_back() -> None:
    index = PairIndex()
    grid = np.arange(100_000)
    slots = index.insert(grid % 317, grid // 317)
    assert slots.tolist() == grid.tolist()
    index.remove(slots[::2])
    again = index.insert(grid[::2], grid[::2] + 10_000_000)
    assert sorted(again.tolist()) == slots[::2].tolist()
    assert index.num_slots == 100_000
    assert index.find(grid % 317, grid // 317).tolist() == np.where(grid % 2, grid, -1).tolist()
    assert index.nbytes < 60 * 100_000
