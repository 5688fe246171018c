"""One batch of the log, resolved: rows selected, keyed and evaluated once for all that read them.

Shape legend: N rows of a stream, L lanes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from shortlist.declare.events import Event
from shortlist.declare.labels import Label
from shortlist.features.entities import EntityTable
from shortlist.features.evaluate import Read, evaluate
from shortlist.features.fixed_point import add_fixed_point
from shortlist.features.keyed_rows import KeyedRows
from shortlist.features.plan import Source, Track
from shortlist.features.resolve import Resolver
from shortlist.features.rows import Rows, Updates, joined, read_rows
from shortlist.features.uses import Use
from shortlist.log.columns import Batch, Columns, Strings


class Fold(NamedTuple):
    """Rows of a batch that a use folds, by its number, and all the lanes they add.

    `lanes` is int64[N * L]: those of `use.lanes`, int64[N, width] each, one after another; see `values`.
    """

    number: int
    use: Use
    keyed: KeyedRows
    lanes: np.ndarray

    def values(self, lanes: int) -> np.ndarray:
        """Return lanes by their number, int64[N, width]: a view."""
        track, start = self.use.lanes[lanes]
        num_rows = len(self.keyed.rows)
        part = self.lanes[num_rows * start : num_rows * (start + track.num_lanes)]
        return part.reshape(num_rows, track.num_lanes)


class Resolution:
    """What one batch folds; remembers what several tracks ask for.

    Making it numbers new ids, joins labels, and computes what each track adds: nothing that a reader of the
    state could see half done, so readers need not wait. What is left is to fold, and then to `store_updates`.
    """

    def __init__(self, resolver: Resolver, batch: Batch) -> None:
        self.resolver, self.tables = resolver, resolver.tables
        # It holds the rows, so that their identity stands for one of them only.
        self._keyed: dict[int, KeyedRows] = {}
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
        self.conversions = resolver.labels.join(self.events, self._reader)
        self.folds: list[Fold] = []
        for number, use in enumerate(resolver.uses):
            rows = self._select(use.source)
            if rows is not None and len(rows):
                self.folds.append(self._prepared(number, use, self._keyed_rows(rows)))

    def store_updates(self) -> None:
        """Store new attributes; called once, by whoever folded."""
        for name, update in self.updates.items():
            self.tables[name].update(update.codes, update.columns)

    def _read_event(self, name: str, columns: Columns) -> Rows:
        return read_rows(columns, self.resolver.vocabularies[name], self.resolver.field_types[name])

    def _prepared(self, number: int, use: Use, keyed: KeyedRows) -> Fold:
        keyed.fill(use.part_rows)
        fold = Fold(number, use, keyed, np.zeros(len(keyed.rows) * use.num_lanes, np.int64))
        for lanes, (track, _) in use.lanes.items():
            self._add_values(track, keyed, fold.values(lanes))
        return fold

    def _add_values(self, track: Track, keyed: KeyedRows, lanes: np.ndarray) -> None:
        rows = keyed.rows
        lanes[:, 0] = 1
        if track.source.kind == "outcomes":
            positives = self._positives(track.source.of)
            if positives is not None:
                lanes[:, 1] = True if positives is rows else np.isin(rows.seqs, positives.seqs)
                lanes[:, 0] -= lanes[:, 1]
        for number, value in enumerate(track.values):
            add_fixed_point(evaluate(value, keyed.read), lanes, 1 + 2 * number)

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

    def _reader(self, rows: Rows) -> Read:
        return self._keyed_rows(rows).read

    def _keyed_rows(self, rows: Rows) -> KeyedRows:
        keyed = self._keyed.get(id(rows))
        if keyed is None:
            keyed = self._keyed[id(rows)] = KeyedRows(rows, self.resolver.layout, self.tables, self.updates)
        return keyed


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
