"""Lists of items: what is taken is what a list of lists would give."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.offline.evaluation.cases import Cases, ItemLists

rows_of_items = st.lists(st.sets(st.integers(0, 9), max_size=4).map(sorted), min_size=1, max_size=6)


def lists(rows) -> ItemLists:
    flat = np.array([item for row in rows for item in row], np.int32)
    return ItemLists(flat, np.cumsum([0, *map(len, rows)]))


@given(rows=rows_of_items, data=st.data())
@settings(max_examples=100, deadline=None)
def test_taken_cases_are_those_asked_for_in_that_order(rows, data):
    wanted = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=8))
    whole = lists(rows)
    assert [whole[case].tolist() for case in range(len(whole))] == rows
    assert whole.sizes.tolist() == [len(row) for row in rows]
    assert whole.cases.tolist() == [case for case, row in enumerate(rows) for _ in row]
    users = np.arange(len(rows), dtype=np.int32) * 2
    cases = Cases(users, users[:, None], whole, whole, np.zeros(10, np.int64))
    taken = cases.take(np.array(wanted, np.int64))
    assert [taken.relevant[case].tolist() for case in range(len(taken))] == [rows[case] for case in wanted]
    assert taken.excluded.starts.tolist() == taken.relevant.starts.tolist()
    assert taken.users.tolist() == taken.history[:, 0].tolist() == [2 * case for case in wanted]
    assert taken.num_items == 10


@given(rows=rows_of_items, num_cases=st.integers(1, 8), seed=st.integers(0, 5))
@settings(max_examples=100, deadline=None)
def test_a_sample_holds_each_case_once(rows, num_cases, seed):
    users = np.arange(len(rows), dtype=np.int32)
    cases = Cases(users, users[:, None], lists(rows), lists(rows), np.zeros(10, np.int64))
    sample = cases.sample(num_cases, seed=seed)
    assert len(sample) == min(num_cases, len(rows))
    assert sample.users.tolist() == sorted(set(sample.users.tolist()))
    assert [sample.relevant[case].tolist() for case in range(len(sample))] == [
        rows[user] for user in sample.users
    ]
