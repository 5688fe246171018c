"""One batch of the log, turned into streams: rows selected, keyed and evaluated once for all that read them.

Shape legend: N rows of a stream, L lanes.
"""

from __future__ import annotations

import numpy as np

from shortlist.declare.entities import Entity
from shortlist.declare.events import Event
from shortlist.declare.expressions import Attribute, Column, EventField
from shortlist.declare.labels import Label
from shortlist.features.entities import EntityTable
from shortlist.features.evaluate import Read, evaluate
from shortlist.features.fixed_point import fixed_point
from shortlist.features.kernels.point_in_time import as_of_rows
from shortlist.features.key_space import KeySpace, PartCodes
from shortlist.features.plan import Source, Track
from shortlist.features.resolve import Resolved, Resolver, Stream
from shortlist.features.rows import Rows, Updates, joined, read_rows
from shortlist.features.uses import Use
from shortlist.features.values import Values
from shortlist.log.columns import Batch, Columns, Strings


def resolve(resolver: Resolver, batch: Batch) -> Resolved:
    """Turn a batch into streams, and take its new ids, attributes and impressions in."""
    return Resolution(resolver, batch).finish()


class Resolution:
    """The resolution of one batch, in two steps; remembers what several tracks ask for.

    Making it numbers new ids, joins labels, and computes what each track adds: nothing that a reader of the
    state could see half done, so readers need not wait. `finish` does the rest.
    """

    def __init__(self, resolver: Resolver, batch: Batch) -> None:
        self.resolver, self.tables = resolver, resolver.tables
        self._uses: list[tuple[Use, Rows, dict[int, np.ndarray]]] = []
        # The rows are held by `_uses`, so that their identity stands for one of them only.
        self._parts: dict[tuple[int, KeySpace], list[np.ndarray]] = {}
        self._stored: dict[tuple[int, str, str], np.ndarray] = {}
        # A log outlives its declarations: kinds that this one does not name are passed over.
        kinds = {kind: columns for kind, columns in batch.kinds.items() if kind in resolver.kinds}
        self.updates = {
            name: _read_updates(table, kinds[name]) for name, table in self.tables.items() if name in kinds
        }
        self.events = {
            name: self._read_event(name, columns)
            for name, columns in kinds.items()
            if name not in self.tables
        }
        for table in self.tables.values():
            table.make_room()
        self.conversions = self.resolver.labels.join(self.events, self._reader)
        for use in resolver.uses:
            rows = self._select(use.source)
            if rows is not None and len(rows):
                self._prepare(use, rows)

    def finish(self) -> Resolved:
        """Number new pairs of ids, store new attributes, and return the streams; called once."""
        resolved = Resolved({}, {}, {}, self.updates, self.events, self.conversions)
        slots = {key: key[1].insert(parts) for key, parts in self._parts.items()}
        item = self.resolver.app.item_entity.entity_name
        for use, rows, lanes in self._uses:
            seqs, times_us, same = rows.seqs, rows.times_us, id(rows)
            for one in use.tracks:
                stream = Stream(slots[same, one.space], seqs, times_us, lanes[one.lanes])
                resolved.tracks[one.number] = stream
            for number, space in use.recencies:
                nothing = np.empty((len(seqs), 0), np.int64)
                resolved.recencies[number] = Stream(slots[same, space], seqs, times_us, nothing)
            for name, space in use.histories:
                items = rows.ids[item][:, None]
                resolved.histories[name] = Stream(slots[same, space], seqs, times_us, items)
        for name, update in self.updates.items():
            self.tables[name].update(update.codes, update.columns)
        return resolved

    def _read_event(self, name: str, columns: Columns) -> Rows:
        event = self.resolver.events[name]
        vocabularies = {
            entity.entity_name: self.tables[entity.entity_name].vocabulary for entity in event.entities
        }
        return read_rows(columns, vocabularies, self.resolver.field_types[name])

    def _prepare(self, use: Use, rows: Rows) -> None:
        codes_of = self._codes_of(rows)
        for space in use.spaces:
            if (id(rows), space) not in self._parts:
                self._parts[id(rows), space] = space.parts(codes_of, len(rows))
        lanes: dict[int, np.ndarray] = {}
        for one in use.tracks:
            if one.lanes not in lanes:
                lanes[one.lanes] = self._values(one.track, rows)
        self._uses.append((use, rows, lanes))

    def _values(self, track: Track, rows: Rows) -> np.ndarray:
        lanes = np.zeros((len(rows), track.num_lanes), np.int64)
        lanes[:, 0] = 1
        if track.source.kind == "outcomes":
            positives = self._positives(track.source.of)
            if positives is not None:
                lanes[:, 1] = np.isin(rows.seqs, positives.seqs)
                lanes[:, 0] -= lanes[:, 1]
            return lanes
        for number, value in enumerate(track.values):
            added, counted = fixed_point(evaluate(value, self._reader(rows)), len(rows))
            lanes[:, 1 + 2 * number], lanes[:, 2 + 2 * number] = counted, added
        return lanes

    def _select(self, source: Source) -> Rows | None:
        if source.kind == "events":
            assert isinstance(source.of, Event)
            rows = self.events.get(source.of.event_name)
        else:
            rows = self._positives(source.of)
        if source.kind == "outcomes":
            impressions = self.events.get(self.resolver.app.impression.event_name)
            parts = [part for part in (impressions, rows) if part is not None]
            rows = joined(parts) if parts else None
        if rows is not None and source.where is not None:
            rows = rows.take(np.broadcast_to(evaluate(source.where, self._reader(rows)).true(), len(rows)))
        return rows

    def _positives(self, label: object) -> Rows | None:
        assert isinstance(label, Label)
        conversions = self.conversions.get(label.label_name)
        return conversions.rows if conversions is not None else None

    def _codes_of(self, rows: Rows) -> PartCodes:
        def codes_of(part: Entity | Attribute) -> np.ndarray:
            if isinstance(part, Entity):
                return rows.ids[part.entity_name]
            # Stored as a key reads it: text by its code, a condition as 0 and 1, null as -1.
            return self._stored_of(part, rows)

        return codes_of

    def _reader(self, rows: Rows) -> Read:
        def read(column: Column) -> Values:
            if isinstance(column, EventField):
                return rows.fields[column.name]
            assert isinstance(column, Attribute)
            vocabularies = self.tables[column.entity.entity_name].vocabularies
            return Values.stored(column.type, self._stored_of(column, rows), vocabularies.get(column.name))

        return read

    def _stored_of(self, attribute: Attribute, rows: Rows) -> np.ndarray:
        """Return the stored values of an attribute as the log knew them just before each row."""
        name = attribute.entity.entity_name
        key = id(rows), name, attribute.name
        stored = self._stored.get(key)
        if stored is None:
            codes = rows.ids[name]
            stored = self.tables[name].stored(attribute.name, codes)
            if name in self.updates:
                stored = _as_updated(stored, attribute.name, self.updates[name], rows, codes)
            self._stored[key] = stored
        return stored


def _read_updates(table: EntityTable, columns: Columns) -> Updates:
    rows = read_rows(columns, {table.entity.entity_name: table.vocabulary}, {})
    stored: dict[str, np.ndarray] = {}
    for name in table.entity.attribute_types:
        column = columns.fields[name]
        if isinstance(column, Strings):
            stored[name] = table.vocabularies[name].insert_column(column)
        else:
            assert isinstance(column, np.ndarray)
            stored[name] = column
    return Updates(rows.ids[table.entity.entity_name], rows.seqs, rows.times_us, stored)


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
