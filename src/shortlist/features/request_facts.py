"""What the online state says about one request's candidates; see `matrix.Facts`.

Shape legend: C candidates.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from shortlist.declare.entities import Entity
from shortlist.declare.expressions import Attribute, Column, ContextField
from shortlist.features.kept import KeptState
from shortlist.features.key_space import KeySpace
from shortlist.features.resolve import Resolver, key_codes
from shortlist.features.values import Values


class RequestFacts:
    """Reads the state for one request, each key and each attribute once.

    Args:
        resolver: ids and current attributes.
        kept: running sums, last times and histories.
        user: the user's code, -1 when never seen.
        items: candidates' codes, int64[C].
        time_us: the request's moment.
        context: the request's context by field name.
    """

    def __init__(
        self,
        resolver: Resolver,
        kept: KeptState,
        user: int,
        items: np.ndarray,
        time_us: int,
        context: Mapping[str, object],
    ) -> None:
        self._resolver, self._kept, self._context = resolver, kept, context
        self._time_us = time_us
        self._codes = {
            resolver.app.user_entity.entity_name: np.array([user], np.int64),
            resolver.app.item_entity.entity_name: np.ascontiguousarray(items, np.int64),
        }
        self._slots: dict[KeySpace, np.ndarray] = {}
        self._columns: dict[Column, Values] = {}

    def window_sums(self, track: int) -> np.ndarray:
        """Return the sums of a track, int64[C or 1, W, L]."""
        slots = self._find(self._resolver.track_spaces[track])
        return self._kept.arenas[track].read(slots, self._time_us)

    def last_times(self, recency: int) -> np.ndarray:
        """Return last times, int64[C or 1]."""
        return self._kept.last_times[recency].read(self._find(self._resolver.recency_spaces[recency]))

    def read(self, column: Column) -> Values:
        """Return an attribute or a context field, [C or 1]."""
        values = self._columns.get(column)
        if values is None:
            values = self._columns[column] = self._read(column)
        return values

    def times_us(self) -> np.ndarray:
        """Return the request's moment, int64[1]."""
        return np.array([self._time_us], np.int64)

    def _read(self, column: Column) -> Values:
        if isinstance(column, ContextField):
            return Values.given(column.type, self._context.get(column.name))
        assert isinstance(column, Attribute)
        name = column.entity.entity_name
        return self._resolver.tables[name].values(column.name, self._codes[name])

    def _find(self, space: KeySpace) -> np.ndarray:
        slots = self._slots.get(space)
        if slots is None:
            slots = self._slots[space] = np.ascontiguousarray(space.find(self._codes_of))
        return slots

    def _codes_of(self, part: Entity | Attribute) -> np.ndarray:
        if isinstance(part, Entity):
            return self._codes[part.entity_name]
        return key_codes(self.read(part))
