"""The order of the newest ids against a sort of all of them, however their moments come and change."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.declare.entities import Entity
from shortlist.declare.types import Time
from shortlist.features.entities import EntityTable
from shortlist.log.columns import NULL_INT

NUM_IDS = 40
moments = st.sampled_from([NULL_INT, *range(-3, 30)])
updates = st.lists(
    st.lists(st.tuples(st.integers(0, NUM_IDS - 1), moments), min_size=1, max_size=25), max_size=40
)


def table_of() -> EntityTable:
    return EntityTable(Entity("video", {"size": int, "published": Time}))


def update(table: EntityTable, codes: list[int], times_us: list[int]) -> None:
    columns = {"size": np.zeros(len(codes), np.int64), "published": np.array(times_us, np.int64)}
    table.update(np.array(codes, np.int64), columns)


@settings(max_examples=150, deadline=None)
@given(updates, st.integers(-4, 30), st.integers(0, 40), st.integers(0, NUM_IDS + 5))
def test_it_is_a_sort_of_all_ids(batches, upto_us, width_us, n):
    table = table_of()
    table.vocabulary.insert([f"v{number}" for number in range(NUM_IDS)])
    known: dict[int, int] = {}
    for batch in batches:
        update(table, [code for code, _ in batch], [time_us for _, time_us in batch])
        known.update(batch)
        inside = [
            code
            for code, time_us in known.items()
            if time_us != NULL_INT and upto_us - width_us < time_us <= upto_us
        ]
        expected = sorted(inside, key=lambda code: (-known[code], code))[:n]
        assert table.newest("published", upto_us - width_us, upto_us, n).tolist() == expected


def test_many_small_updates_keep_the_runs_few_and_the_answer_right():
    rng, table = np.random.default_rng(1), table_of()
    table.vocabulary.insert([f"v{number}" for number in range(5000)])
    known = np.full(5000, NULL_INT)
    for _ in range(600):
        codes = rng.integers(0, 5000, rng.integers(1, 60))
        times_us = rng.integers(0, 10_000, len(codes))
        update(table, codes.tolist(), times_us.tolist())
        known[codes] = times_us  # of equal codes the last wins, as there
    inside = np.flatnonzero((known > 2000) & (known <= 9000))
    expected = inside[np.lexsort((inside, -known[inside]))]
    assert table.newest("published", 2000, 9000, 5000).tolist() == expected.tolist()
    assert table.newest("published", 2000, 9000, 7).tolist() == expected[:7].tolist()
    assert table.newest("published", 9000, 2000, 7).tolist() == []
