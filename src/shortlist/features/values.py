"""Columns of values with nulls, as expressions read them and give them.

Shape legend: N rows; an array of length 1 stands for the same value in every row.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from shortlist.declare.types import FieldType
from shortlist.features.vocabulary import Vocabulary
from shortlist.log.columns import NULL_INT

ARRAY_TYPES: dict[FieldType, tuple[type[np.generic], object]] = {
    "str": (np.int64, -1),
    "int": (np.int64, NULL_INT),
    "time": (np.int64, NULL_INT),
    "float": (np.float64, np.nan),
    "bool": (np.int8, -1),
}
"""How a column of each type is stored: the array's type and the value that stands for null."""


class Values(NamedTuple):
    """Values [N] of one type and which of them are known, bool[N]; text is codes in `vocabulary`."""

    type: FieldType
    values: np.ndarray
    known: np.ndarray
    vocabulary: Vocabulary | None = None

    @classmethod
    def stored(cls, type_: FieldType, array: np.ndarray, vocabulary: Vocabulary | None = None) -> Values:
        """Wrap a stored column, where a special value stands for null."""
        if type_ == "float":
            return cls(type_, array, np.isfinite(array))
        known = array != ARRAY_TYPES[type_][1]
        return cls(type_, array == 1 if type_ == "bool" else array, known, vocabulary)

    @classmethod
    def given(cls, type_: FieldType, value: object) -> Values:
        """Wrap one value that a request brought, None for null."""
        if type_ == "str":
            texts = [value] if isinstance(value, str) else []
            return cls(type_, np.array([len(texts) - 1]), np.array([bool(texts)]), Vocabulary(texts))
        array = np.full(1, ARRAY_TYPES[type_][1] if value is None else value, ARRAY_TYPES[type_][0])
        return cls.stored(type_, array)

    def number(self) -> np.ndarray:
        """Return the values as float64[N], NaN where unknown; a condition as 0 and 1."""
        return np.where(self.known, np.asarray(self.values, np.float64), np.nan)

    def true(self) -> np.ndarray:
        """Return where a condition is known and true, bool[N]."""
        truth: np.ndarray = np.asarray(self.values, bool) & self.known
        return truth
