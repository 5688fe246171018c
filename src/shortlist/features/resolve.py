"""From rows of the log to streams: what each track adds, when, and under which key.

The online and the offline path both read the log through here, so that a row means the same to both.
Attributes of an event are those the log knew just before it.

Shape legend: N rows of a stream, L lanes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shortlist.declare.app import App
from shortlist.declare.entities import Entity
from shortlist.declare.events import Event
from shortlist.declare.expressions import Attribute, Column, EventField
from shortlist.declare.features import Key
from shortlist.declare.labels import Label
from shortlist.features.conversions import Conversions, LabelJoin
from shortlist.features.entities import EntityTable
from shortlist.features.evaluate import Read, evaluate
from shortlist.features.fixed_point import fixed_point
from shortlist.features.kernels.point_in_time import as_of_rows
from shortlist.features.key_space import KeySpace
from shortlist.features.plan import Plan, Source, Track
from shortlist.features.rows import Rows, Updates, joined, read_rows
from shortlist.features.values import Values
from shortlist.log.columns import Batch, Columns, Strings


@dataclass(frozen=True)
class Stream:
    """Rows in log order with their key slots int64[N] and what they add, int64[N, L]."""

    keys: np.ndarray
    seqs: np.ndarray
    times_us: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class Resolved:
    """A batch, ready to fold: streams by number of track, recency and history name."""

    tracks: dict[int, Stream]
    recencies: dict[int, Stream]
    histories: dict[str, Stream]
    updates: dict[str, Updates]
    events: dict[str, Rows]
    conversions: dict[str, Conversions]


class Resolver:
    """Reads batches in log order, carrying what later rows depend on: ids, attributes, impressions."""

    def __init__(self, app: App, plan: Plan) -> None:
        self.app, self.plan = app, plan
        self.kinds = frozenset(app.log_schema())
        self.tables = {name: EntityTable(entity) for name, entity in app.entities.items()}
        keys = [track.key for track in plan.tracks] + [key for _, key in plan.recencies]
        keys += [history.key for history in plan.histories.values()]
        self.key_spaces = {key_text(key): KeySpace(key) for key in keys}
        self.track_spaces = [self.key_spaces[key_text(track.key)] for track in plan.tracks]
        self.recency_spaces = [self.key_spaces[key_text(key)] for _, key in plan.recencies]
        self.labels = LabelJoin(list(app.labels.values()))
        # Equal sources, and equal values of a source, are read once a batch: they are numbered here.
        self._source_numbers: dict[str, int] = {}
        self.track_sources = [self._number(track.source) for track in plan.tracks]
        self.recency_sources = [self._number(source) for source, _ in plan.recencies]
        self.history_sources = {
            name: Source("events", history.source, history.where) for name, history in plan.histories.items()
        }
        self.history_numbers = {name: self._number(source) for name, source in self.history_sources.items()}
        self.history_spaces = {
            name: self.key_spaces[key_text(history.key)] for name, history in plan.histories.items()
        }
        lanes: dict[tuple[int, tuple[str, ...]], int] = {}
        self.track_lanes = [
            lanes.setdefault((source, tuple(map(str, track.values))), len(lanes))
            for source, track in zip(self.track_sources, plan.tracks, strict=True)
        ]

    def _number(self, source: Source) -> int:
        return self._source_numbers.setdefault(str(source), len(self._source_numbers))

    def resolve(self, batch: Batch) -> Resolved:
        """Turn a batch into streams, and take its new ids, attributes and impressions in."""
        return _BatchResolution(self, batch).run()


class _BatchResolution:
    """The resolution of one batch; remembers what several tracks ask for."""

    def __init__(self, resolver: Resolver, batch: Batch) -> None:
        self.resolver, self.batch = resolver, batch
        self.app, self.plan, self.tables = resolver.app, resolver.plan, resolver.tables
        self._sources: dict[int, Rows | None] = {}
        self._lanes: dict[int, np.ndarray] = {}
        self._keys: dict[tuple[KeySpace, int], np.ndarray] = {}
        self._stored: dict[tuple[str, str, int], np.ndarray] = {}

    def run(self) -> Resolved:
        # A log outlives its declarations: kinds that this one does not name are passed over.
        declared = self.resolver.kinds
        kinds = {kind: columns for kind, columns in self.batch.kinds.items() if kind in declared}
        self.updates = {
            name: self._read_updates(table, kinds[name])
            for name, table in self.tables.items()
            if name in kinds
        }
        self.events = {name: self._read_event(name) for name in kinds if name not in self.tables}
        for table in self.tables.values():
            table.make_room()
        self.conversions = self.resolver.labels.join(self.events, self.app, self._reader)
        resolver, plan = self.resolver, self.plan
        tracks = {n: s for n, track in enumerate(plan.tracks) if (s := self._track(n, track)) is not None}
        recencies = {n: s for n in range(len(plan.recencies)) if (s := self._recency(n)) is not None}
        histories = {n: s for n in resolver.history_sources if (s := self._history(n)) is not None}
        resolved = Resolved(tracks, recencies, histories, self.updates, self.events, self.conversions)
        for name, update in self.updates.items():
            self.tables[name].update(update.codes, update.columns)
        return resolved

    def _read_updates(self, table: EntityTable, columns: Columns) -> Updates:
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

    def _read_event(self, name: str) -> Rows:
        event = self.app.impression if name == self.app.impression.event_name else self.app.events[name]
        vocabularies = {
            entity.entity_name: self.tables[entity.entity_name].vocabulary for entity in event.entities
        }
        fields = {field: known.type for field, known in event.fields.items() if known.type != "floats"}
        return read_rows(self.batch.kinds[name], vocabularies, fields)

    def _track(self, number: int, track: Track) -> Stream | None:
        rows = self._source(self.resolver.track_sources[number], track.source)
        if rows is None:
            return None
        lanes_of = self.resolver.track_lanes[number]
        lanes = self._lanes.get(lanes_of)
        if lanes is None:
            lanes = self._lanes[lanes_of] = self._values(track, rows)
        return Stream(self._slots(self.resolver.track_spaces[number], rows), rows.seqs, rows.times_us, lanes)

    def _values(self, track: Track, rows: Rows) -> np.ndarray:
        lanes = np.zeros((len(rows), track.num_lanes), np.int64)
        if track.source.kind == "outcomes":
            positives = self._positives(track.source.of)
            is_positive = np.isin(rows.seqs, positives.seqs) if positives is not None else False
            lanes[:, 1] = is_positive
            lanes[:, 0] = 1 - lanes[:, 1]
        else:
            lanes[:, 0] = 1
            for number, value in enumerate(track.values):
                added, counted = fixed_point(evaluate(value, self._reader(rows)), len(rows))
                lanes[:, 1 + 2 * number], lanes[:, 2 + 2 * number] = counted, added
        return lanes

    def _recency(self, number: int) -> Stream | None:
        rows = self._source(self.resolver.recency_sources[number], self.plan.recencies[number][0])
        if rows is None:
            return None
        slots = self._slots(self.resolver.recency_spaces[number], rows)
        return Stream(slots, rows.seqs, rows.times_us, np.empty((len(rows), 0), np.int64))

    def _history(self, name: str) -> Stream | None:
        rows = self._source(self.resolver.history_numbers[name], self.resolver.history_sources[name])
        if rows is None:
            return None
        items = rows.ids[self.app.item_entity.entity_name]
        slots = self._slots(self.resolver.history_spaces[name], rows)
        return Stream(slots, rows.seqs, rows.times_us, items[:, None])

    def _source(self, number: int, source: Source) -> Rows | None:
        if number not in self._sources:
            self._sources[number] = self._select(source)
        return self._sources[number]

    def _select(self, source: Source) -> Rows | None:
        is_events = source.kind == "events"
        rows = self.events.get(_event_name(source.of)) if is_events else self._positives(source.of)
        if source.kind == "outcomes":
            parts = [
                part for part in (self.events.get(self.app.impression.event_name), rows) if part is not None
            ]
            rows = joined(parts) if parts else None
        if rows is not None and source.where is not None:
            rows = rows.take(np.broadcast_to(evaluate(source.where, self._reader(rows)).true(), len(rows)))
        return rows if rows is not None and len(rows) else None

    def _positives(self, label: object) -> Rows | None:
        assert isinstance(label, Label)
        conversions = self.conversions.get(label.label_name)
        return conversions.rows if conversions is not None else None

    def _slots(self, space: KeySpace, rows: Rows) -> np.ndarray:
        slots = self._keys.get((space, id(rows)))
        if slots is None:

            def codes_of(part: Entity | Attribute) -> np.ndarray:
                if isinstance(part, Entity):
                    return rows.ids[part.entity_name]
                # Stored as a key reads it: text by its code, a condition as 0 and 1, null as -1.
                return self._stored_of(part, rows).astype(np.int64, copy=False)

            slots = self._keys[space, id(rows)] = space.insert(codes_of, len(rows))
        return slots

    def _reader(self, rows: Rows) -> Read:
        def read(column: Column) -> Values:
            if isinstance(column, EventField):
                return rows.fields[column.name]
            assert isinstance(column, Attribute)
            table = self.tables[column.entity.entity_name]
            stored = self._stored_of(column, rows)
            return Values.stored(column.type, stored, table.vocabularies.get(column.name))

        return read

    def _stored_of(self, attribute: Attribute, rows: Rows) -> np.ndarray:
        """Return the stored values of an attribute as the log knew them just before each row."""
        name = attribute.entity.entity_name
        key = name, attribute.name, id(rows)
        stored = self._stored.get(key)
        if stored is None:
            codes = rows.ids[name]
            stored = self.tables[name].stored(attribute.name, codes)
            if name in self.updates:
                update = self.updates[name]
                at = _last_before(update, rows, codes)
                if at is not None:
                    stored = np.where(at >= 0, update.columns[attribute.name][at], stored)
            self._stored[key] = stored
        return stored


def _last_before(update: Updates, rows: Rows, codes: np.ndarray) -> np.ndarray | None:
    """Return the row of the batch's last update of each id before it, int64[N]; None when there is none."""
    # Codes are as high as the catalogue is large: the few that were updated get numbers of their own.
    updated, own = np.unique(update.codes, return_inverse=True)
    place = np.minimum(np.searchsorted(updated, codes), len(updated) - 1)
    asked = np.where(updated[place] == codes, place, -1)
    if (asked < 0).all():
        return None
    return as_of_rows(own, update.seqs, update.times_us, asked, rows.seqs, rows.times_us, False)


def _event_name(of: Event | Label) -> str:
    assert isinstance(of, Event)
    return of.event_name


def key_text(key: Key) -> str:
    """Name a key, the same for equal keys."""
    return ", ".join(str(part) for part in key)


def key_codes(values: Values) -> np.ndarray:
    """Return the codes int64[N] of a key's attribute: text by its vocabulary, a condition as 0 and 1."""
    return np.where(values.known, values.values.astype(np.int64), -1)
