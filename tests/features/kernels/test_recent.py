"""The last n items against a list, through rings that wrap, release and restart."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.features.kernels.recent import RecentItems

NUM_KEYS = 3


def newest_first(rows: list[tuple[int, int, int]], key: int, n: int, now: int, max_age: int) -> list[int]:
    items = [
        item
        for row_key, item, time in rows
        if row_key == key >= 0 <= item and (max_age < 0 or time >= now - max_age)
    ]
    return items[-n:][::-1]


@settings(max_examples=200, deadline=None)
@given(
    n=st.integers(1, 9),
    max_age=st.sampled_from([-1, 0, 1, 3, 10, 100]),
    steps=st.lists(
        st.tuples(
            st.sampled_from(["read", "release", "restart"]),
            st.lists(
                st.tuples(st.sampled_from([0, 0, 1, 6]), st.integers(-1, NUM_KEYS - 1), st.integers(-1, 9)),
                max_size=14,
            ),
        ),
        max_size=8,
    ),
)
def test_it_is_the_end_of_each_keys_list(
    n: int, max_age: int, steps: list[tuple[str, list[tuple[int, int, int]]]]
) -> None:
    recent = RecentItems(n)
    rows: list[tuple[int, int, int]] = []
    now = -20
    keys = np.arange(-1, NUM_KEYS + 1)
    for step, batch in steps:
        added = []
        for gap, key, item in batch:
            now += gap
            added.append((key, item, now))
        recent.add(*np.array(added, dtype=np.int64).reshape(-1, 3).T)
        rows += added
        now += 1
        if step == "release":
            before = recent.nbytes
            assert recent.release(now, max_age) == before - recent.nbytes
        elif step == "restart":
            recent = RecentItems.restore(n, recent.snapshot())
        expected = [newest_first(rows, key, n, now, max_age) for key in keys]
        padded = [items + [-1] * (n - len(items)) for items in expected]
        assert recent.read_many(keys, now, max_age).tolist() == padded
        for key, items in zip(keys, expected, strict=True):
            assert recent.read(int(key), now, max_age).tolist() == items


def test_a_short_history_does_not_pay_for_a_long_one() -> None:
    recent = RecentItems(50)
    keys = np.arange(10_000)
    recent.add(keys, keys, np.zeros(10_000, dtype=np.int64))
    recent.release(1)
    assert recent.nbytes <= 10_000 * (2 * 16 + 32)
    recent.add(np.full(1_000, 5), np.arange(1_000), np.ones(1_000, dtype=np.int64))
    assert recent.read(5, 2).tolist() == list(range(999, 949, -1))
    assert recent.release(1_000, 10) > 0
    assert not recent.live(10_000).any()
    assert recent.nbytes < 100
