"""The codes of a release's items: the same, however many of them were known before."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shortlist.features.vocabulary import Vocabulary
from shortlist.pipeline.numbering import item_codes

NUM_ITEMS = 2000
names = st.lists(st.integers(0, 40).map(str), max_size=40, unique=True)


@given(names, names, st.integers(0, 40))
def test_what_is_known_is_not_asked_again_unless_it_was_unseen(seen, of_release, num_known):
    vocabulary = Vocabulary(seen[: len(seen) // 2])
    known = item_codes(vocabulary, of_release[:num_known])
    vocabulary.insert(seen)
    wanted = [seen.index(name) if name in seen else -1 for name in of_release]
    assert item_codes(vocabulary, of_release).tolist() == wanted
    assert item_codes(vocabulary, of_release, known).tolist() == wanted


def test_more_than_are_asked_at_once():
    names = [f"item {number}" for number in range(NUM_ITEMS)]
    vocabulary = Vocabulary(names)
    known = np.where(np.arange(NUM_ITEMS) % 3 > 0, np.arange(NUM_ITEMS), -1)
    assert item_codes(vocabulary, names, known).tolist() == list(range(NUM_ITEMS))
