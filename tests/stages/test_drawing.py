"""What a seed draws: different numbers, each as often as another, whatever else was drawn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from shortlist.stages.drawing import drawn, with_drawn


def is_uniform(counts):
    # One in a million would fail by chance; the seeds are fixed.
    expected = counts.sum() / counts.size
    return ((counts - expected) ** 2 / expected).sum() <= chi2.ppf(1 - 1e-6, counts.size - 1)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 50), st.data(), st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=4))
def test_numbers_are_different_and_the_same_seed_draws_the_same(num, data, words):
    slots = data.draw(st.integers(0, num))
    numbers = drawn(9, num, slots, np.array(words, np.int64)) - 9
    assert len(set(numbers.tolist())) == slots
    assert ((numbers >= 0) & (numbers < num)).all()
    assert np.array_equal(numbers, drawn(0, num, slots, np.array(words, np.int64)))


@pytest.mark.parametrize(
    "seed_of", [lambda n: [7, n], lambda n: [7, 0, n], lambda n: [7, (n * 2**40) % 2**63]]
)
@pytest.mark.parametrize("num", [3, 7, 200])
def test_each_number_comes_as_often_in_each_slot(seed_of, num):
    draws = np.array([drawn(0, num, 2, np.array(seed_of(n), np.int64)) for n in range(40_000)])
    for slot in (0, 1):
        assert is_uniform(np.bincount(draws[:, slot], minlength=num))


def test_what_is_drawn_first_says_nothing_of_what_comes_second_nor_of_the_next_seed():
    draws = np.array([drawn(0, 8, 3, np.array([7, n], np.int64)) for n in range(60_000)])
    triples = np.zeros((8, 8, 8))
    np.add.at(triples, tuple(draws.T), 1)
    possible = [(i, j, k) for i in range(8) for j in range(8) for k in range(8) if len({i, j, k}) == 3]
    assert triples.sum() == triples[tuple(np.array(possible).T)].sum()
    assert is_uniform(triples[tuple(np.array(possible).T)])
    for lag in (1, 2, 256):
        pairs = np.zeros((8, 8))
        np.add.at(pairs, (draws[:-lag, 0], draws[lag:, 0]), 1)
        assert is_uniform(pairs)


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 40), st.data())
def test_the_chosen_stand_in_their_places_and_all_others_keep_their_order(size, data):
    k = data.draw(st.integers(1, size - 1))
    places = np.array(sorted(data.draw(st.sets(st.integers(0, k - 1), max_size=k // 2))), np.int64)
    first = k - len(places)
    below = st.lists(st.integers(first, size - 1), min_size=len(places), max_size=len(places), unique=True)
    chosen = np.array(data.draw(below), np.int64)
    order = with_drawn(size, k, chosen, places)
    assert order[places].tolist() == chosen.tolist()
    others = np.delete(order, places)
    assert others.tolist() == [one for one in range(size) if one not in chosen]
