"""What the log said at past requests; see `matrix.Facts`.

Shape legend: N requests, W windows, L lanes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shortlist.declare.entities import Entity
from shortlist.declare.expressions import Attribute, Column, ContextField
from shortlist.features.history import LogHistory
from shortlist.features.kernels.point_in_time import as_of_rows, last_times, window_sums
from shortlist.features.key_space import KeySpace, key_codes
from shortlist.features.values import ARRAY_TYPES, Values
from shortlist.log.columns import NULL_INT


@dataclass(frozen=True)
class Requests:
    """Past requests, each for one user and one candidate: codes int64[N], and as of when.

    A row sees the records with `seq <= as_of_seq` and a log time before `times_us`.
    """

    users: np.ndarray
    items: np.ndarray
    as_of_seq: np.ndarray
    times_us: np.ndarray
    context: dict[str, Values]

    def __len__(self) -> int:
        return len(self.users)

    def take(self, rows: np.ndarray | slice) -> Requests:
        """Return some of the requests, by number, by mask or from here to there."""
        context = {
            name: Values(value.type, value.values[rows], value.known[rows], value.vocabulary)
            for name, value in self.context.items()
        }
        return Requests(
            self.users[rows], self.items[rows], self.as_of_seq[rows], self.times_us[rows], context
        )


class PastFacts:
    """Reads a resolved log for past requests, each key and each attribute once.

    Args:
        history: the log.
        requests: N requests.
    """

    def __init__(self, history: LogHistory, requests: Requests) -> None:
        self._history, self._requests = history, requests
        self._resolver = history.resolver
        app = self._resolver.app
        self._codes = {
            app.user_entity.entity_name: requests.users,
            app.item_entity.entity_name: requests.items,
        }
        self._slots: dict[KeySpace, np.ndarray] = {}
        self._columns: dict[Column, Values] = {}

    def window_sums(self, track: int) -> np.ndarray:
        """Return the sums of a track, int64[N, W, L], or [1, W, L] when the log has no such rows."""
        planned = self._resolver.plan.tracks[track]
        stream = self._history.tracks.get(track)
        if stream is None:
            return np.zeros((1, len(planned.windows_us), planned.num_lanes), np.int64)
        slots = self.slots(self._resolver.track_spaces[track])
        num_keys = 1 + max(int(stream.keys.max(initial=-1)), int(slots.max(initial=-1)))
        return window_sums(
            stream.keys, stream.seqs, stream.times_us, stream.values,
            slots, self._requests.as_of_seq, self._requests.times_us,
            planned.windows_us, planned.tiles_us, num_keys,
        )  # fmt: skip

    def last_times(self, recency: int) -> np.ndarray:
        """Return last times, int64[N], or [1] when the log has no such rows."""
        stream = self._history.recencies.get(recency)
        if stream is None:
            return np.full(1, NULL_INT, np.int64)
        return last_times(
            stream.keys, stream.seqs, stream.times_us,
            self.slots(self._resolver.recency_spaces[recency]),
            self._requests.as_of_seq, self._requests.times_us,
        )  # fmt: skip

    def read(self, column: Column) -> Values:
        """Return an attribute as of each request, or a context field, [N]."""
        if isinstance(column, ContextField):
            return self._requests.context[column.name]
        assert isinstance(column, Attribute)
        values = self._columns.get(column)
        if values is None:
            values = self._columns[column] = self._attribute(column)
        return values

    def times_us(self) -> np.ndarray:
        """Return the requests' moments, int64[N]."""
        return self._requests.times_us

    def slots(self, space: KeySpace) -> np.ndarray:
        """Return each request's slot int64[N] of a key, -1 where no row ever had it."""
        slots = self._slots.get(space)
        if slots is None:
            found = np.broadcast_to(space.find(self._codes_of), len(self._requests))
            slots = self._slots[space] = np.ascontiguousarray(found)
        return slots

    def _codes_of(self, part: Entity | Attribute) -> np.ndarray:
        if isinstance(part, Entity):
            return self._codes[part.entity_name]
        return key_codes(self.read(part))

    def _attribute(self, attribute: Attribute) -> Values:
        name = attribute.entity.entity_name
        vocabulary = self._resolver.tables[name].vocabularies.get(attribute.name)
        dtype, null = ARRAY_TYPES[attribute.type]
        updates = self._history.updates.get(name)
        if updates is None:
            stored = np.full(len(self._requests), null, dtype)
        else:
            rows = as_of_rows(
                updates.codes, updates.seqs, updates.times_us,
                self._codes[name], self._requests.as_of_seq, self._requests.times_us, before_time=True,
            )  # fmt: skip
            stored = np.where(rows >= 0, updates.columns[attribute.name][rows], np.asarray(null, dtype))
        return Values.stored(attribute.type, stored, vocabulary)
