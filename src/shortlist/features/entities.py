"""Entities' current attributes, column by column, as of the last record applied."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from shortlist.declare.entities import Entity
from shortlist.features.values import ARRAY_TYPES, Values
from shortlist.features.vocabulary import Vocabulary


class EntityTable:
    """One row an id, numbered by `vocabulary`; an id that was only seen in events has null attributes.

    `num_updates` counts the calls of `update`, so that a reader can ask what changed since.
    """

    def __init__(self, entity: Entity) -> None:
        self.entity = entity
        self._types = entity.attribute_types
        self.vocabulary = Vocabulary()
        self.vocabularies = {name: Vocabulary() for name, type_ in self._types.items() if type_ == "str"}
        self._arrays = {name: self._nulls(name, 0) for name in self._types}
        self.num_updates = 0
        self._updated_by = np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self.vocabulary)

    def column(self, attribute: str) -> np.ndarray:
        """Return an attribute's stored values [ids]: see `values.ARRAY_TYPES` for types and nulls."""
        view = self._arrays[attribute][: len(self)]
        view.flags.writeable = False
        return view

    def values(self, attribute: str, codes: np.ndarray) -> Values:
        """Return an attribute of the ids with these codes int64[N]; -1 gives null."""
        stored = self.stored(attribute, codes)
        return Values.stored(self._types[attribute], stored, self.vocabularies.get(attribute))

    def stored(self, attribute: str, codes: np.ndarray) -> np.ndarray:
        """Return the stored values [N] of an attribute for codes int64[N]; -1 gives null."""
        column = self.column(attribute)
        _, null = ARRAY_TYPES[self._types[attribute]]
        if len(column) == 0:
            return np.full(len(codes), null, column.dtype)
        return np.where(codes >= 0, column[codes], np.asarray(null, column.dtype))

    def changed_since(self, num_updates: int, codes: np.ndarray) -> np.ndarray:
        """Return which ids, by their codes int64[N], were updated since `num_updates` was this, bool[N]."""
        return np.asarray(self._updated_by[codes] > num_updates)

    def make_room(self) -> None:
        """Give every id that the vocabulary numbered since a row, with null attributes.

        Only the writer calls it. Arrays are replaced, never moved: a reader's stay whole.
        """
        size = len(self)
        for name, array in self._arrays.items():
            if len(array) < size:
                self._arrays[name] = np.concatenate([array, self._nulls(name, 2 * size + 64 - len(array))])
        if (missing := size - len(self._updated_by)) > 0:
            self._updated_by = np.append(self._updated_by, np.zeros(missing + size + 64, np.int64))

    def update(self, codes: np.ndarray, columns: Mapping[str, np.ndarray]) -> None:
        """Set every attribute of the ids with these codes int64[N]; of equal codes the last wins."""
        self.make_room()
        for name, array in self._arrays.items():
            array[codes] = columns[name]
        self.num_updates += 1
        self._updated_by[codes] = self.num_updates

    def _nulls(self, attribute: str, size: int) -> np.ndarray:
        dtype, null = ARRAY_TYPES[self._types[attribute]]
        return np.full(size, null, dtype)
