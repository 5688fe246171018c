"""Asking for memory changes nothing, wherever it is asked for."""

from __future__ import annotations

import numpy as np

from shortlist.compiled import compiled
from shortlist.features.kernels.arrays import Int64s
from shortlist.prefetch import prefetch


@compiled
def ask(array: Int64s, places: Int64s) -> None:
    for place in places:
        prefetch(array, place)


def test_a_place_outside_is_ignored() -> None:
    places = np.array([0, 5, -1, 2**40, 2**62, -(2**62)])
    for array in (np.arange(6), np.arange(6).reshape(2, 3), np.empty(0, np.int64)):
        before = array.copy()
        ask(array, places)
        np.testing.assert_array_equal(array, before)
