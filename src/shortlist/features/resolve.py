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

    def resolve(self, batch: Batch) -> Resolved:
        """Turn a batch into streams, and take its new ids, attributes and impressions in."""
        return _BatchResolution(self, batch).run()


class _BatchResolution:
    """The resolution of one batch; remembers what several tracks ask for."""

    def __init__(self, resolver: Resolver, batch: Batch) -> None:
        self.resolver, self.batch = resolver, batch
        self.app, self.plan, self.tables = resolver.app, resolver.plan, resolver.tables
        self._sources: dict[str, Rows | None] = {}
        self._keys: dict[tuple[str, int], np.ndarray] = {}
        self._columns: dict[tuple[str, int], Values] = {}

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
        resolved = Resolved(
            {n: s for n, track in enumerate(self.plan.tracks) if (s := self._track(track)) is not None},
            {n: s for n, kept in enumerate(self.plan.recencies) if (s := self._recency(*kept)) is not None},
            {
                name: stream
                for name, history in self.plan.histories.items()
                if (stream := self._history(Source("events", history.source, history.where), history.key))
                is not None
            },
            self.updates,
            self.events,
            self.conversions,
        )
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

    def _track(self, track: Track) -> Stream | None:
        rows = self._source(track.source)
        if rows is None:
            return None
        lanes = np.zeros((len(rows), track.num_lanes), np.int64)
        if track.source.kind == "outcomes":
            positives = self._positives(track.source.of)
            is_positive = (
                np.isin(rows.seqs, positives.seqs) if positives is not None else np.zeros(len(rows), bool)
            )
            lanes[:, 0], lanes[:, 1] = ~is_positive, is_positive
        else:
            lanes[:, 0] = 1
            for number, value in enumerate(track.values):
                added, counted = fixed_point(evaluate(value, self._reader(rows)), len(rows))
                lanes[:, 1 + 2 * number], lanes[:, 2 + 2 * number] = counted, added
        return Stream(self._slots(track.key, rows), rows.seqs, rows.times_us, lanes)

    def _recency(self, source: Source, key: Key) -> Stream | None:
        rows = self._source(source)
        if rows is None:
            return None
        return Stream(self._slots(key, rows), rows.seqs, rows.times_us, np.empty((len(rows), 0), np.int64))

    def _history(self, source: Source, key: Key) -> Stream | None:
        rows = self._source(source)
        if rows is None:
            return None
        items = rows.ids[self.app.item_entity.entity_name]
        return Stream(self._slots(key, rows), rows.seqs, rows.times_us, items[:, None])

    def _source(self, source: Source) -> Rows | None:
        text = str(source)
        if text not in self._sources:
            self._sources[text] = self._select(source)
        return self._sources[text]

    def _select(self, source: Source) -> Rows | None:
        is_events = source.kind == "events"
        rows = self.events.get(str(source.of)) if is_events else self._positives(source.of)
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

    def _slots(self, key: Key, rows: Rows) -> np.ndarray:
        text = key_text(key)
        if (text, id(rows)) not in self._keys:

            def codes_of(part: Entity | Attribute) -> np.ndarray:
                if isinstance(part, Entity):
                    return rows.ids[part.entity_name]
                return key_codes(self._attribute(part, rows))

            self._keys[text, id(rows)] = self.resolver.key_spaces[text].insert(codes_of, len(rows))
        return self._keys[text, id(rows)]

    def _reader(self, rows: Rows) -> Read:
        def read(column: Column) -> Values:
            if isinstance(column, EventField):
                return rows.fields[column.name]
            assert isinstance(column, Attribute)
            return self._attribute(column, rows)

        return read

    def _attribute(self, attribute: Attribute, rows: Rows) -> Values:
        known = self._columns.get((str(attribute), id(rows)))
        if known is None:
            name = attribute.entity.entity_name
            table, codes = self.tables[name], rows.ids[name]
            stored = table.stored(attribute.name, codes)
            if name in self.updates:
                update = self.updates[name]
                at = as_of_rows(
                    update.codes, update.seqs, update.times_us, codes, rows.seqs, rows.times_us, False
                )
                stored = np.where(at >= 0, update.columns[attribute.name][at], stored)
            known = Values.stored(attribute.type, stored, table.vocabularies.get(attribute.name))
            self._columns[str(attribute), id(rows)] = known
        return known


def key_text(key: Key) -> str:
    """Name a key, the same for equal keys."""
    return ", ".join(str(part) for part in key)


def key_codes(values: Values) -> np.ndarray:
    """Return the codes int64[N] of a key's attribute: text by its vocabulary, a condition as 0 and 1."""
    return np.where(values.known, values.values.astype(np.int64), -1)
