"""Entities' current attributes, row by row, as of the last record applied.

Shape legend: N ids asked, A attributes, G attributes gathered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from shortlist.declare.entities import Entity
from shortlist.features.kernels.arrays import as_int64
from shortlist.features.kernels.entity_rows import copy_rows, gather
from shortlist.features.newest import Newest
from shortlist.features.values import ARRAY_TYPES, Values
from shortlist.features.vocabulary import Vocabulary


class EntityTable:
    """One row an id, numbered by `vocabulary`; an id that was only seen in events has null attributes.

    A row holds every attribute as a 64-bit word, side by side: candidates are scattered over memory, and all
    that is known of one comes with a cache line or two. A float is stored as its bits.

    `num_updates` counts the calls of `update`, so that a reader can ask what changed since.
    """

    def __init__(self, entity: Entity) -> None:
        self.entity = entity
        self._types = entity.attribute_types
        self.vocabulary = Vocabulary()
        self.vocabularies = {name: Vocabulary() for name, type_ in self._types.items() if type_ == "str"}
        self._place = {name: place for place, name in enumerate(self._types)}
        self._alone = {name: np.array([place], np.int64) for name, place in self._place.items()}
        self._nulls = np.array([_null_word(name, self._types) for name in self._types], np.int64)
        self._rows = np.empty((0, len(self._types)), np.int64)
        self._newest = {
            name: Newest(self._place[name]) for name, type_ in self._types.items() if type_ == "time"
        }
        self.num_updates = 0
        self._updated_by = np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self.vocabulary)

    def column(self, attribute: str) -> np.ndarray:
        """Return an attribute's stored values [ids]: see `values.ARRAY_TYPES` for types and nulls."""
        view = self._stored(attribute, self._rows[: len(self), self._place[attribute]])
        view.flags.writeable = False
        return view

    def values(self, attribute: str, codes: np.ndarray) -> Values:
        """Return an attribute of the ids with these codes int64[N]; -1 gives null."""
        stored = self.stored(attribute, codes)
        return Values.stored(self._types[attribute], stored, self.vocabularies.get(attribute))

    def stored(self, attribute: str, codes: np.ndarray) -> np.ndarray:
        """Return the stored values [N] of an attribute for codes int64[N]; -1 gives null."""
        return self._stored(attribute, self.words(self._alone[attribute], codes)[0])

    def places(self, attributes: Sequence[str]) -> np.ndarray:
        """Return the places int64[G] of attributes in a row, for `words`."""
        return np.array([self._place[name] for name in attributes], np.int64)

    def words(self, places: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Return attributes at places int64[G] as words int64[G, N] for codes int64[N]; -1 gives null."""
        words = np.empty((len(places), len(codes)), np.int64)
        self.put_words(places, codes, words)
        return words

    def put_words(self, places: np.ndarray, codes: np.ndarray, out: np.ndarray) -> None:
        """As `words`, into a C-contiguous int64[G, N] of the caller's."""
        gather(self._rows, self._nulls, as_int64(codes), places, out)

    def changed_since(self, num_updates: int, codes: np.ndarray) -> np.ndarray:
        """Return which ids, by their codes int64[N], were updated since `num_updates` was this, bool[N]."""
        # An id that was numbered just now may not have a row yet.
        known = np.flatnonzero(codes < len(self._updated_by))
        changed = np.zeros(len(codes), np.bool_)
        changed[known] = self._updated_by[codes[known]] > num_updates
        return changed

    def newest(self, attribute: str, after_us: int, upto_us: int, n: int) -> np.ndarray:
        """Return the codes int64[<= n] of the ids with a moment in (after, upto]; see `Newest.within`."""
        return self._newest[attribute].within(self._rows, after_us, upto_us, n)

    def freeze(self) -> Callable[[], dict[str, np.ndarray]]:
        """Copy the rows; what is returned gives their columns, by attribute, when somebody has the time."""
        rows = self._rows[: len(self)].copy()
        return lambda: {
            name: np.ascontiguousarray(self._stored(name, rows[:, place]))
            for name, place in self._place.items()
        }

    def make_room(self) -> None:
        """Give every id that the vocabulary numbered since a row, with null attributes; put orders in order.

        Only the writer calls it. Arrays are replaced, never moved: a reader's stay whole.
        """
        size = len(self)
        if len(self._rows) < size:
            # NumPy asks for large pages for a large array; a kernel's own would be of many small ones.
            larger = np.empty((size + size // 4 + 64, len(self._nulls)), np.int64)
            copy_rows(self._rows, self._nulls, larger)
            self._rows = larger
        if (missing := size - len(self._updated_by)) > 0:
            self._updated_by = np.append(self._updated_by, np.zeros(missing + size // 4 + 64, np.int64))
        for newest in self._newest.values():
            newest.merge(self._rows)

    def update(self, codes: np.ndarray, columns: Mapping[str, np.ndarray]) -> None:
        """Set every attribute of the ids with these codes int64[N]; of equal codes the last wins."""
        self.make_room()
        before_us = {name: self._rows[codes, self._place[name]] for name in self._newest}
        for name, place in self._place.items():
            self._rows[codes, place] = _words(columns[name])
        for name, newest in self._newest.items():
            newest.update(codes, before_us[name], self._rows)
        self.num_updates += 1
        self._updated_by[codes] = self.num_updates

    @property
    def nbytes(self) -> int:
        """Bytes of the rows and of their orders; the vocabularies have their own."""
        orders = sum(newest.nbytes for newest in self._newest.values())
        return self._rows.nbytes + self._updated_by.nbytes + orders

    def _stored(self, attribute: str, words: np.ndarray) -> np.ndarray:
        type_ = self._types[attribute]
        if type_ == "float":
            return words.view(np.float64)
        return words.astype(ARRAY_TYPES[type_][0], copy=False)


def _null_word(name: str, types: Mapping[str, str]) -> int:
    dtype, null = ARRAY_TYPES[types[name]]  # type: ignore[index]
    return int(_words(np.array([null], dtype))[0])


def _words(stored: np.ndarray) -> np.ndarray:
    """Return stored values as the 64-bit words of a row."""
    if stored.dtype == np.float64:
        return np.ascontiguousarray(stored).view(np.int64)
    return stored.astype(np.int64, copy=False)
