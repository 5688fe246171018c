"""Compiled: what inverted lists found, put in the order of the exact products.

I items, D width, M found, n wanted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist.compiled import compiled
from shortlist.prefetch import prefetch

_CACHE_LINE = 16  # coordinates


@compiled
def best_of_found(
    vectors_ID: NDArray[np.float32],
    query_D: NDArray[np.float32],
    found_M: NDArray[np.int64],
    items_n: NDArray[np.int32],
    products_n: NDArray[np.float32],
) -> int:
    """Fill in the n best of what was found, by product and then item, and return how many there are.

    Args:
        vectors_ID: of all items.
        query_D: the query.
        found_M: items, each once; -1 is passed over.
        items_n: is filled from its beginning.
        products_n: is filled likewise.
    """
    num_wanted = len(items_n)
    width = len(query_D)
    whole = width - width % 8
    row = vectors_ID.shape[1]
    for item in found_M:
        for place in range(0, width if item >= 0 else 0, _CACHE_LINE):
            prefetch(vectors_ID, item * row + place)
    num_kept = 0
    for item in found_M:
        if item < 0:
            continue
        vector_D = vectors_ID[item]
        # Eight sums, so that an addition need not wait for the one before it.
        a = b = c = d = e = f = g = h = np.float32(0.0)
        for start in range(0, whole, 8):
            a += vector_D[start] * query_D[start]
            b += vector_D[start + 1] * query_D[start + 1]
            c += vector_D[start + 2] * query_D[start + 2]
            d += vector_D[start + 3] * query_D[start + 3]
            e += vector_D[start + 4] * query_D[start + 4]
            f += vector_D[start + 5] * query_D[start + 5]
            g += vector_D[start + 6] * query_D[start + 6]
            h += vector_D[start + 7] * query_D[start + 7]
        product = ((a + b) + (c + d)) + ((e + f) + (g + h))
        for place in range(whole, width):
            product += vector_D[place] * query_D[place]
        if num_kept < num_wanted:
            place = num_kept
            num_kept += 1
        elif product > products_n[-1] or (product == products_n[-1] and item < items_n[-1]):
            place = num_wanted - 1
        else:
            continue
        # They come in about this order already, so that few have to make room.
        while place > 0:
            before = place - 1
            if product < products_n[before] or (product == products_n[before] and item > items_n[before]):
                break
            products_n[place], items_n[place] = products_n[before], items_n[before]
            place = before
        products_n[place], items_n[place] = product, item
    return num_kept
