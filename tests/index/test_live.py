"""The live index: by the suite, then whatever is changed in whatever order, against brute force."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.conformance import WIDTH, VectorIndexConformance, brute_force, clustered
from index.test_inverted_lists import lists_of
from shortlist.index.allowed import Allowed
from shortlist.index.exact import ExactIndex
from shortlist.index.live import LiveIndex

NOTHING = np.empty((0, WIDTH), np.float32)


class TestLiveIndex(VectorIndexConformance):
    """Half of the items come after the release, some of its own are replaced."""

    def built(self, vectors):
        half = len(vectors) // 2
        old = vectors[:half].copy()
        old[::7] = 9.0
        index = LiveIndex(ExactIndex(old))
        for items in np.array_split(np.arange(half, len(vectors), dtype=np.int32), 3):
            index.change(items[::-1], vectors[items][::-1])
        replaced = np.arange(0, half, 7, dtype=np.int32)
        index.change(replaced, vectors[replaced])
        return index


STEPS = st.lists(
    st.tuples(
        st.dictionaries(st.integers(0, 15), st.integers(-3, 3), max_size=4),
        st.sets(st.integers(0, 15), max_size=3),
    ),
    max_size=6,
)


@settings(deadline=None, max_examples=60)
@given(steps=STEPS, kept=st.none() | st.sets(st.integers(0, 15)), n=st.integers(0, 20))
def test_it_is_what_was_said_last(steps, kept, n):
    first = np.arange(8, dtype=np.float32)[:, None] % 3 * np.ones(WIDTH, np.float32)
    truth, index = dict(enumerate(first)), LiveIndex(ExactIndex(first))
    query = np.ones((1, WIDTH), np.float32)
    allowed = None if kept is None else Allowed.of(np.isin(np.arange(16), list(kept)))
    for changed, removed in steps:
        gone = np.array(sorted(removed - changed.keys()), np.int32)
        vectors = np.array(list(changed.values()), np.float32)[:, None] * np.ones(WIDTH, np.float32)
        index.change(np.array(list(changed), np.int32), vectors, gone)
        truth.update(zip(changed, vectors, strict=True))
        for item in gone.tolist():
            truth.pop(item, None)
        expected = brute_force(truth, query[0], n, kept)
        items, products = index.search(query, n, allowed)
        assert items[0].tolist() == expected + [-1] * (n - len(expected))
        assert products[0, : len(expected)].tolist() == [float(truth[one] @ query[0]) for one in expected]


def test_what_went_away_makes_room_in_the_lists_too():
    vectors, queries = clustered(6000, 20)
    index = LiveIndex(lists_of(vectors, "sq8"))
    gone = np.unique(ExactIndex(vectors).search(queries, 30)[0])
    index.change(np.empty(0, np.int32), NOTHING, gone)
    left = Allowed.of(~np.isin(np.arange(6000), gone))
    found, true = index.search(queries, 30)[0], ExactIndex(vectors).search(queries, 30, left)[0]
    assert not np.isin(found, gone).any()
    assert np.mean([len(np.intersect1d(*pair)) / 30 for pair in zip(found, true, strict=True)]) >= 0.95


@pytest.mark.parametrize("release", [0, 50])
def test_readers_see_whole_changes_in_their_order(release):
    """A writer adds pairs of twins, then replaces them; who sees one of a pair sees the other."""
    index = LiveIndex(ExactIndex(np.zeros((release, WIDTH), np.float32)))
    faults: list[object] = []
    is_over = threading.Event()

    def read() -> None:
        latest = 0.0
        while not is_over.is_set():
            items, products = index.search(np.ones((1, WIDTH), np.float32), 2)
            if items[0, 0] >= release:
                is_pair = items[0, 0] // 2 == items[0, 1] // 2 and products[0, 0] == products[0, 1]
                if not is_pair or products[0, 0] < latest:
                    faults.append((items, products, latest))
                latest = float(products[0, 0])

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(1, 400):
        pair = release + 2 * (number % 150) + np.arange(2, dtype=np.int32)
        index.change(pair.astype(np.int32), np.full((2, WIDTH), number, np.float32))
    is_over.set()
    for thread in threads:
        thread.join()
    assert not faults
