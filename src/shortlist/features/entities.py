"""Entities' current attributes, column by column, as of the last record applied."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from shortlist.declare.entities import Entity
from shortlist.features.values import ARRAY_TYPES, Values
from shortlist.features.vocabulary import Vocabulary


class EntityTable:
    """One row an id, numbered by `vocabulary`; an id that was only seen in events has null attributes."""

    def __init__(self, entity: Entity) -> None:
        self.entity = entity
        self.vocabulary = Vocabulary()
        self.vocabularies = {
            name: Vocabulary() for name, type_ in entity.attribute_types.items() if type_ == "str"
        }
        self._arrays = {name: self._nulls(name, 0) for name in entity.attribute_types}

    def __len__(self) -> int:
        return len(self.vocabulary)

    def column(self, attribute: str) -> np.ndarray:
        """Return an attribute's stored values [ids]: see `values.ARRAY_TYPES` for types and nulls."""
        size = len(self)
        if len(self._arrays[attribute]) < size:
            self._grow(attribute, size)
        view = self._arrays[attribute][:size]
        view.flags.writeable = False
        return view

    def values(self, attribute: str, codes: np.ndarray) -> Values:
        """Return an attribute of the ids with these codes int64[N]; -1 gives null."""
        stored = self.stored(attribute, codes)
        return Values.stored(self.entity.attribute_types[attribute], stored, self.vocabularies.get(attribute))

    def stored(self, attribute: str, codes: np.ndarray) -> np.ndarray:
        """Return the stored values [N] of an attribute for codes int64[N]; -1 gives null."""
        column = self.column(attribute)
        _, null = ARRAY_TYPES[self.entity.attribute_types[attribute]]
        if len(column) == 0:
            return np.full(len(codes), null, column.dtype)
        return np.where(codes >= 0, column[codes], np.asarray(null, column.dtype))

    def update(self, codes: np.ndarray, columns: Mapping[str, np.ndarray]) -> None:
        """Set every attribute of the ids with these codes int64[N]; of equal codes the last wins."""
        for name in self._arrays:
            if len(self._arrays[name]) < len(self):
                self._grow(name, len(self))
            self._arrays[name][codes] = columns[name]

    def _nulls(self, attribute: str, size: int) -> np.ndarray:
        dtype, null = ARRAY_TYPES[self.entity.attribute_types[attribute]]
        return np.full(size, null, dtype)

    def _grow(self, attribute: str, size: int) -> None:
        # The old array stays whole for readers that hold it.
        old = self._arrays[attribute]
        self._arrays[attribute] = np.concatenate([old, self._nulls(attribute, 2 * size + 64 - len(old))])
