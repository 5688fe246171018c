"""Attributes as a model adds them up: each column of a row puts its weight on one or two slots.

A category has a slot of its own. A number lies between two knots, at quantiles of what training saw, and
shares its weight between them, so that a sum over slots is a broken line; a knot is a slot. Each column's
first slot is for what is missing or has no number of its own.

N rows, A columns, S slots of all columns, K knots of a column.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from shortlist.features.encoders import Encoding
from shortlist.models.columns.slots import column_keys, read_keys
from shortlist.models.contract import FeatureColumn
from shortlist.models.errors import ModelFileError, require
from shortlist.models.files import write_array
from shortlist.models.retrieval import Attributes

_NUM_KNOTS = 8


class AttributeSlots:
    """Which slots a row of attributes weighs on.

    Args:
        encoding: the A columns.
        knots: for each column float32 [K], increasing; empty for a column of categories.
    """

    def __init__(self, encoding: Encoding, knots: list[NDArray[np.float32]]) -> None:
        self.encoding = encoding
        self.knots = knots
        sizes = [
            1 + len(encoding.categories.get(name, knots_K))
            for name, knots_K in zip(encoding.names, knots, strict=True)
        ]
        self._starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)

    @property
    def num_slots(self) -> int:
        """S."""
        return int(self._starts[-1])

    @classmethod
    def fit(cls, attributes: Attributes | None) -> Self:
        """Place the knots of each number at the quantiles of its known values; no attributes, no slots."""
        if attributes is None:
            return cls(Encoding((), {}), [])
        encoding = attributes.encoding
        return cls(
            encoding,
            [
                np.empty(0, np.float32) if name in encoding.categories else _knots(name, values_N)
                for name, values_N in zip(encoding.names, attributes.values.T, strict=True)
            ],
        )

    def weights(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the weight of each row on each slot, float32 [N, S]; a column's weights sum to 1.

        Args:
            rows: float32 [N, A], in the order of the encoding; NaN is missing.

        Raises:
            ModelError: when there are not A columns.
        """
        require(
            rows.ndim == 2 and rows.shape[1] == self.encoding.num_columns,
            "attributes", expected=f"float32 [N, {self.encoding.num_columns}], the columns "
            f"{', '.join(self.encoding.names)}", received=rows.shape,
        )  # fmt: skip
        weights_NS = np.zeros((len(rows), self.num_slots), np.float32)
        every = np.arange(len(rows))
        for column, knots_K in enumerate(self.knots):
            start, end = int(self._starts[column]), int(self._starts[column + 1])
            values_N = rows[:, column]
            if len(knots_K):
                below_N, share_N = _between(knots_K, values_N)
                weights_NS[every, start + below_N] += 1.0 - share_N
                weights_NS[every, start + np.minimum(below_N + 1, len(knots_K))] += share_N
            else:
                is_known = (values_N >= 0) & (values_N < end - start - 1)
                slots_N = np.where(is_known, values_N, -1.0).astype(np.int64) + 1
                weights_NS[every, start + slots_N] = 1.0
        return weights_NS

    def save(self, folder: Path, name: str) -> dict[str, Any]:
        """Write the knots as `<name>_knots.npy`; return what the model's description says of the rest."""
        write_array(folder, f"{name}_knots", np.concatenate([np.empty(0, np.float32), *self.knots]))
        return {
            "names": list(self.encoding.names),
            "categories": self.encoding.categories,
            "num_knots": [len(knots_K) for knots_K in self.knots],
        }

    @classmethod
    def load(cls, folder: Path, name: str, described: dict[str, Any]) -> Self:
        """Read what `save` wrote.

        Raises:
            ModelFileError: when it is damaged.
        """
        try:
            encoding = Encoding(described["names"], described["categories"])
            num_knots = np.array(described["num_knots"], np.int64)
            texts = [text for texts in encoding.categories.values() for text in texts]
            is_whole = all(isinstance(text, str) for text in (*encoding.names, *texts))
            is_whole &= num_knots.shape == (encoding.num_columns,) and set(encoding.categories) <= set(
                encoding.names
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ModelFileError(f"{folder}: expected the columns of {name} attributes: {error!r}") from error
        if is_whole:  # a category has no knots, a number has
            is_number = np.array([each not in encoding.categories for each in encoding.names], np.bool_)
            is_whole = bool(((num_knots > 0) == is_number).all())
        if not is_whole:
            raise ModelFileError(
                f"{folder}: expected the columns of {name} attributes, received {described}."
            )
        return cls(encoding, read_keys(folder, f"{name}_knots", np.float32, num_knots))


def _knots(name: str, values_N: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a number's knots; at least one, so that the column is known to be a number."""
    keys_K = column_keys(FeatureColumn(name), values_N, num_knots=_NUM_KNOTS, min_category_rows=1)
    return keys_K.astype(np.float32)  # each is a value of the column, so none is rounded


def _between(
    knots_K: NDArray[np.float32], values_N: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the slot below each value, 0 for a missing one, and how far it is on its way to the next."""
    bounded_N = np.clip(values_N, knots_K[0], knots_K[-1])
    place_N = np.interp(bounded_N, knots_K, np.arange(len(knots_K)))
    is_known = np.isfinite(values_N)
    below_N = np.where(is_known, np.floor(np.where(is_known, place_N, 0.0)), -1.0).astype(np.int64)
    share_N = np.where(is_known, place_N - below_N, 0.0)
    return below_N + 1, share_N.astype(np.float32)
