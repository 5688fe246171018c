"""Bands: the parts of users, items or rows that a figure is worth having for on their own.

N rows, U users, I items. A band without a row is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

SHORT_HISTORY = 5
HEAVY_SHARE = 0.1
POPULAR_SHARE = 0.2


def user_bands(num_known: NDArray[np.int64]) -> dict[str, NDArray[np.bool_]]:
    """Part users by how much is known of them.

    Args:
        num_known: int [U], how much training holds of each.

    Returns:
        By name, bool [U]: new users, of whom nothing is known; users with less than `SHORT_HISTORY`; and
        heavy users, the tenth of whom most is known, with all who equal its last; nobody where all are alike.
    """
    if len(num_known) == 0:
        return {}
    num_heavy = max(1, round(HEAVY_SHARE * len(num_known)))
    least_of_heavy = np.partition(num_known, -num_heavy)[-num_heavy]
    return _filled(
        {
            "new users": num_known == 0,
            "users with a short history": (num_known > 0) & (num_known < SHORT_HISTORY),
            "heavy users": (num_known >= least_of_heavy) & (num_known > num_known.min()),
        }
    )


def item_bands(item_counts: NDArray[np.int64]) -> dict[str, NDArray[np.bool_]]:
    """Part the catalogue by how often training met an item.

    Args:
        item_counts: int [I].

    Returns:
        By name, bool [I]: new items, which training never met; of the others, the fifth met most often,
        and the tail.
    """
    is_new = item_counts == 0
    is_popular = np.zeros(len(item_counts), bool)
    num_popular = round(POPULAR_SHARE * int((~is_new).sum()))
    is_popular[np.argsort(-item_counts, kind="stable")[:num_popular]] = True
    return _filled(
        {"new items": is_new, "popular items": is_popular, "tail items": ~is_new & ~is_popular},
    )


def value_bands(
    name: str, values: NDArray[np.float32], texts: Sequence[str] | None, *, max_bands: int = 5
) -> dict[str, NDArray[np.bool_]]:
    """Part rows by the value of an attribute.

    Args:
        name: of the attribute.
        values: float [N], numbers, or the number of a category; NaN is unknown.
        texts: what the categories are called; None for a number.
        max_bands: how many there are at most, besides "(other)" and "(unknown)".

    Returns:
        By name, bool [N]: the most frequent categories and "(other)"; or each number where there are few,
        else about equally many rows in each of `max_bands` ranges; and "(unknown)". Where a category is
        itself called that, the band has parentheses more.
    """
    is_known = ~np.isnan(values)
    distinct, counts = np.unique(values[is_known], return_counts=True)
    if texts is not None:
        first = distinct[np.argsort(-counts, kind="stable")][:max_bands]
        bands = {f"{name}: {texts[int(value)]}": values == value for value in first}
        bands[f"{name}: {_apart_from(texts, 'other')}"] = is_known & ~np.isin(values, first)
    elif len(distinct) <= max_bands:
        bands = {f"{name}: {_shown(value)}": values == value for value in distinct}
    else:
        shares = np.arange(1, max_bands + 1) / max_bands
        ends = np.unique(np.quantile(values[is_known], shares, method="inverted_cdf"))
        band_of_row = np.searchsorted(ends, values)
        bands = {}
        for number, end in enumerate(ends):
            inside = is_known & (band_of_row == number)
            bands[f"{name}: {_shown(values[inside].min())} to {_shown(end)}"] = inside
    bands[f"{name}: {_apart_from(texts or (), 'unknown')}"] = ~is_known
    return _filled(bands)


def _shown(value: np.float32) -> str:
    """Print as many digits as tell a number from every other of its type, so that no two share a name."""
    return np.format_float_positional(value, trim="-")


def _apart_from(texts: Sequence[str], word: str) -> str:
    """Name a band as no category is called: people do write "other" and "unknown" into their data."""
    name = f"({word})"
    while name in texts:
        name = f"({name})"
    return name


def _filled(bands: Mapping[str, NDArray[np.bool_]]) -> dict[str, NDArray[np.bool_]]:
    return {name: rows for name, rows in bands.items() if rows.any()}
