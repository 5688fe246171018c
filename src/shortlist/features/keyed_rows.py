"""Rows of one batch and what is read of them: attributes, parts of keys; each once, for all uses.

Shape legend: N rows, K rows of keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from shortlist.declare.entities import Entity
from shortlist.declare.expressions import Attribute, Column, EventField
from shortlist.features.entities import EntityTable
from shortlist.features.kernels.point_in_time import as_of_rows
from shortlist.features.key_layout import KeyLayout
from shortlist.features.key_space import KeySpace
from shortlist.features.rows import Rows, Updates
from shortlist.features.values import Values


class KeyedRows:
    """Reads attributes as the log knew them just before each row.

    Args:
        rows: N rows of the batch.
        layout: of their keys.
        tables: attributes before the batch, by entity name.
        updates: of attributes in the batch, likewise.

    Attributes:
        rows: as given.
        keys: int64[K, N]; the rows that `fill` filled, and those of pairs once they are folded.
    """

    def __init__(
        self,
        rows: Rows,
        layout: KeyLayout,
        tables: Mapping[str, EntityTable],
        updates: Mapping[str, Updates],
    ) -> None:
        self.rows, self.keys = rows, np.empty((layout.num_rows, len(rows)), np.int64)
        self._layout, self._tables, self._updates = layout, tables, updates
        self._filled: set[int] = set()
        self._stored: dict[Attribute, np.ndarray] = {}
        self._slots: dict[KeySpace, np.ndarray] = {}

    def fill(self, part_rows: Iterable[int]) -> None:
        """Fill rows of the keys with the codes of their parts."""
        for row in part_rows:
            if row not in self._filled:
                self._filled.add(row)
                part = self._layout.parts[row]
                if part is None:
                    self.keys[row] = 0
                elif isinstance(part, Entity):
                    self.keys[row] = self.rows.ids[part.entity_name]
                else:
                    # Stored as a key reads it: text by its code, a condition as 0 and 1, null as -1.
                    self.keys[row] = self._stored_of(part)

    def slots(self, space: KeySpace) -> np.ndarray:
        """Return the slots int64[N] of a key space whose parts are filled, numbering new pairs.

        It is the same array at each call, and that of the rows' own ids where a key is one of them.
        """
        slots = self._slots.get(space)
        if slots is None:
            first, *second = self._layout.parts_of[space]
            part = self._layout.parts[first]
            if space.pairs is not None:
                slots = space.pairs.insert(self.keys[first], self.keys[second[0]])
            else:
                slots = self.rows.ids[part.entity_name] if isinstance(part, Entity) else self.keys[first]
            self._slots[space] = slots
        return slots

    def read(self, column: Column) -> Values:
        """Return a field or an attribute, [N]."""
        if isinstance(column, EventField):
            return self.rows.fields[column.name]
        assert isinstance(column, Attribute)
        vocabularies = self._tables[column.entity.entity_name].vocabularies
        return Values.stored(column.type, self._stored_of(column), vocabularies.get(column.name))

    def _stored_of(self, attribute: Attribute) -> np.ndarray:
        name = attribute.entity.entity_name
        stored = self._stored.get(attribute)
        if stored is None:
            codes = self.rows.ids[name]
            stored = self._tables[name].stored(attribute.name, codes)
            if name in self._updates:
                stored = _as_updated(stored, attribute.name, self._updates[name], self.rows, codes)
            self._stored[attribute] = stored
        return stored


def _as_updated(
    stored: np.ndarray, attribute: str, updates: Updates, rows: Rows, codes: np.ndarray
) -> np.ndarray:
    """Put the batch's own updates in place of what was stored before it, where they came before a row."""
    # Codes are as high as the catalogue is large: the few that were updated get numbers of their own.
    updated, own = np.unique(updates.codes, return_inverse=True)
    place = np.minimum(np.searchsorted(updated, codes), len(updated) - 1)
    asked = np.where(updated[place] == codes, place, -1)
    if (asked < 0).all():
        return stored
    at = as_of_rows(own, updates.seqs, updates.times_us, asked, rows.seqs, rows.times_us, False)
    return np.where(at >= 0, updates.columns[attribute][at], stored)
