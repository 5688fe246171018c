"""Slots of a column: the knots of a number, or categories; and one for what is missing.

A row's place in a column is a point between two slots: 0 is missing, rare or unknown, a category lies on its
slot, a number between the slots of the two knots beside it.

N rows, F columns, K keys (knots or categories) of a column, S slots of all columns (1 + K each).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from shortlist.models.contract import FeatureColumn
from shortlist.models.errors import ModelFileError
from shortlist.models.files import frozen, read_array, write_array

_MOST_KEYS = 1 << 30  # of a column


def column_keys(
    column: FeatureColumn, entries_N: NDArray[np.float32], *, num_knots: int, min_category_rows: int
) -> NDArray[np.float64]:
    """Return a column's knots, or the categories that get a slot of their own, increasing: float64 [K].

    Knots lie at quantiles, so that heavy tails need no care.

    Args:
        column: what the column is.
        entries_N: float32 [N], as training saw them; NaN is missing, infinities are passed over.
        num_knots: at most about so many knots for a number; more only where values tie.
        min_category_rows: a category with fewer rows has no slot of its own.
    """
    finite_N = entries_N[np.isfinite(entries_N)].astype(np.float64)
    if column.categorical:
        categories, counts = np.unique(finite_N, return_counts=True)
        return categories[counts >= min_category_rows]
    if len(finite_N) == 0:
        return np.zeros(1)
    levels = np.linspace(0.0, 1.0, num_knots)
    knots = np.unique(np.quantile(finite_N, levels, method="lower"))
    if len(knots) < num_knots:  # one value takes up many quantiles: look at the others too
        values = np.unique(finite_N)
        few = len(values) <= num_knots  # levels are rounded, and would miss one of just so many values
        knots = np.union1d(knots, values if few else np.quantile(values, levels, method="lower"))
    return knots


def read_keys(folder: Path, name: str, dtype: DTypeLike, num_keys_F: NDArray[np.int64]) -> list[NDArray[Any]]:
    """Map `<name>.npy`, the keys of F columns one after another, and split it.

    Args:
        folder: where it lies.
        name: its name, without the ending.
        dtype: the type of a key.
        num_keys_F: int64 [F], how many keys each column has; from a file, so nothing is taken for granted.

    Returns:
        For each column its keys [K], increasing.

    Raises:
        ModelFileError: when a count is impossible, the file is missing or damaged, or keys do not increase.
    """
    # Each is bounded by itself: a sum of great counts wraps, and would look like what the file holds.
    if ((num_keys_F < 0) | (num_keys_F > _MOST_KEYS)).any():
        raise ModelFileError(f"{folder}: expected counts of {name}, received {num_keys_F.tolist()}.")
    keys = read_array(folder, name, dtype, (int(num_keys_F.sum()),))
    each = np.split(keys, np.cumsum(num_keys_F)[:-1]) if len(num_keys_F) else []
    if not (np.isfinite(keys).all() and all((np.diff(keys_K) > 0).all() for keys_K in each)):
        raise ModelFileError(f"{folder}: expected increasing {name}.")
    return each


class ColumnSlots:
    """The keys of F columns, side by side.

    Args:
        columns: the F columns.
        keys: of all columns, one column's after another's: float64 [S - F], increasing in each.
        num_keys: int64 [F].
    """

    def __init__(
        self, columns: tuple[FeatureColumn, ...], keys: NDArray[np.float64], num_keys: NDArray[np.int64]
    ) -> None:
        self.columns = columns
        self.keys: NDArray[np.float64] = frozen(keys)
        self.num_keys: NDArray[np.int64] = frozen(num_keys)
        self.key_starts: NDArray[np.int64] = frozen(np.concatenate([[0], np.cumsum(num_keys)]))
        self.starts: NDArray[np.int64] = frozen(np.concatenate([[0], np.cumsum(num_keys + 1)]))
        self.is_categorical: NDArray[np.bool_] = frozen(np.array([column.categorical for column in columns]))

    @property
    def num_slots(self) -> int:
        """Return S."""
        return int(self.starts[-1])

    @classmethod
    def learnt(
        cls,
        columns: tuple[FeatureColumn, ...],
        features: NDArray[np.float32],
        *,
        num_knots: int,
        min_category_rows: int,
    ) -> Self:
        """Learn the keys of every column from training rows float32 [N, F]."""
        keys = [
            column_keys(column, features[:, f], num_knots=num_knots, min_category_rows=min_category_rows)
            for f, column in enumerate(columns)
        ]
        return cls(columns, np.concatenate(keys), np.array([len(keys_K) for keys_K in keys]))

    def places(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return each row's place in each column, float32 [N, F]."""
        from shortlist.models.columns.places import fill_places  # compiled: heavy to import

        places_NF = np.empty(features.shape, np.float32)
        fill_places(frozen(features), self.keys, self.key_starts, self.is_categorical, places_NF)
        return places_NF

    def save(self, folder: Path) -> None:
        """Write `keys.npy` and `num_keys.npy`."""
        write_array(folder, "num_keys", self.num_keys)
        write_array(folder, "keys", self.keys)

    @classmethod
    def load(cls, folder: Path, columns: tuple[FeatureColumn, ...]) -> Self:
        """Read what `save` wrote.

        Raises:
            ModelFileError: when a file is missing or damaged, or the keys do not increase.
        """
        num_keys_F: NDArray[Any] = read_array(folder, "num_keys", np.int64, (len(columns),))
        keys = read_keys(folder, "keys", np.float64, num_keys_F)
        return cls(columns, np.concatenate([np.empty(0), *keys]), num_keys_F)
