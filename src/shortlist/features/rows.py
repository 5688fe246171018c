"""Rows of the log as features read them: ids as codes, fields as values, in log order.

Shape legend: N rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from shortlist.declare.types import FieldType
from shortlist.features.values import Values
from shortlist.features.vocabulary import Vocabulary
from shortlist.log.columns import Batch, Column, Columns, Floats, Strings
from shortlist.log.fields import Fields


@dataclass(frozen=True)
class Rows:
    """Rows of one kind of event, in log order: `ids` by entity name, `fields` by field name."""

    seqs: np.ndarray
    times_us: np.ndarray
    ids: Mapping[str, np.ndarray]
    fields: Mapping[str, Values]

    def __len__(self) -> int:
        return len(self.seqs)

    def take(self, rows: np.ndarray) -> Rows:
        """Return some of the rows, by number or by mask."""

        def taken(name: str) -> Values:
            column = self.fields[name]
            return Values(column.type, column.values[rows], column.known[rows], column.vocabulary)

        ids = {name: codes[rows] for name, codes in self.ids.items()}
        return Rows(self.seqs[rows], self.times_us[rows], ids, Fields(self.fields, taken))


@dataclass(frozen=True)
class Updates:
    """Updates of an entity, in log order: whose, when, and every attribute's stored values."""

    codes: np.ndarray
    seqs: np.ndarray
    times_us: np.ndarray
    columns: Mapping[str, np.ndarray]


def read_rows(
    columns: Columns, vocabularies: Mapping[str, Vocabulary], fields: Mapping[str, FieldType]
) -> Rows:
    """Number the ids of a log batch and wrap its fields.

    Args:
        columns: one kind's rows.
        vocabularies: of the entities, by name; ids not seen before are numbered.
        fields: the type of each field to read; lists of floats are left in the log.
    """
    ids = {
        name: vocabulary.insert_column(strings)
        for name, vocabulary in vocabularies.items()
        if isinstance(strings := columns.fields.get(name), Strings)
    }
    present = fields
    if not fields.keys() <= columns.fields.keys():  # declared since the log was opened
        present = {name: type_ for name, type_ in fields.items() if name in columns.fields}

    def values(name: str) -> Values:
        column = columns.fields[name]
        if isinstance(column, Strings):
            return Values.stored("str", column.codes.astype(np.int64), Vocabulary(column.values))
        assert isinstance(column, np.ndarray)
        return Values.stored(fields[name], column)

    return Rows(columns.seq, columns.log_time_us, ids, Fields(present, values))


def joined(parts: Sequence[Rows]) -> Rows:
    """Merge rows of several kinds, one or more, into log order, keeping the ids that all of them carry."""
    if len(parts) == 1:
        return parts[0]
    order = np.argsort(np.concatenate([part.seqs for part in parts]), kind="stable")

    def merge(pick: Callable[[Rows], np.ndarray]) -> np.ndarray:
        return np.concatenate([pick(part) for part in parts])[order]

    names = set.intersection(*(set(part.ids) for part in parts))
    ids = {name: merge(lambda part, name=name: part.ids[name]) for name in sorted(names)}  # type: ignore[misc]
    return Rows(merge(lambda part: part.seqs), merge(lambda part: part.times_us), ids, {})


def concatenated(parts: Sequence[Rows], join: Callable[[Sequence[np.ndarray]], np.ndarray]) -> Rows:
    """Join rows of one kind, one part or more, each after the one before it; `join` joins the arrays."""
    if len(parts) == 1:
        return parts[0]
    return Rows(
        join([part.seqs for part in parts]),
        join([part.times_us for part in parts]),
        {name: join([part.ids[name] for part in parts]) for name in parts[0].ids},
        {name: _concatenated_values([part.fields[name] for part in parts]) for name in parts[0].fields},
    )


def _concatenated_values(parts: Sequence[Values]) -> Values:
    known = np.concatenate([part.known for part in parts])
    if parts[0].type != "str":
        return Values(parts[0].type, np.concatenate([part.values for part in parts]), known)
    shared = Vocabulary()
    codes = []
    for part in parts:
        assert part.vocabulary is not None
        renumbered = np.append(shared.insert(part.vocabulary.texts()), -1)
        codes.append(renumbered[np.where(part.known, part.values, -1)])
    return Values("str", np.concatenate(codes), known, shared)


def after(batch: Batch, seq: int) -> Batch:
    """Return the part of a batch beyond a sequence number."""
    kinds: dict[str, Columns] = {}
    for kind, columns in batch.kinds.items():
        start = int(np.searchsorted(columns.seq, seq, side="right"))
        if start < len(columns.seq):
            fields = {name: _from_row(column, start) for name, column in columns.fields.items()}
            kinds[kind] = Columns(
                kind, columns.seq[start:], columns.log_time_us[start:], columns.event_time_us[start:], fields
            )
    return Batch(seq + 1, batch.last_seq, kinds)


def upto(batch: Batch, seq: int) -> Batch:
    """Return the part of a batch up to a sequence number; of its texts, only those that this part holds."""
    kinds: dict[str, Columns] = {}
    for kind, columns in batch.kinds.items():
        end = int(np.searchsorted(columns.seq, seq, side="right"))
        if end > 0:
            fields = {name: _to_row(column, end) for name, column in columns.fields.items()}
            kinds[kind] = Columns(
                kind, columns.seq[:end], columns.log_time_us[:end], columns.event_time_us[:end], fields
            )
    return Batch(batch.first_seq, min(seq, batch.last_seq), kinds)


def _to_row(column: Column, end: int) -> Column:
    if isinstance(column, Strings):
        # A fold numbers every text of a batch: one from beyond the end would be known too soon.
        codes, numbers = np.unique(column.codes[:end], return_inverse=True)
        texts = [column.values[code] for code in codes if code >= 0]
        has_null = int(len(texts) < len(codes))
        return Strings((numbers - has_null).astype(np.int32), texts)
    if isinstance(column, Floats):
        return Floats(column.offsets[: end + 1], column.values)
    return column[:end]


def _from_row(column: Column, start: int) -> Column:
    if isinstance(column, Strings):
        return Strings(column.codes[start:], column.values)
    if isinstance(column, Floats):
        return Floats(column.offsets[start:], column.values)
    return column[start:]
