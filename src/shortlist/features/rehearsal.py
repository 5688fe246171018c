"""All that a writer does with a state, once, on one of its own: so that no event waits for a compiler."""

from __future__ import annotations

import tempfile
from pathlib import Path

from shortlist.declare.app import App
from shortlist.features.online import OnlineState
from shortlist.features.schema import log_schemas
from shortlist.log.columns import Batch, Columns, columns_from_records
from shortlist.log.record import Record
from shortlist.log.schema import EventSchema, FieldType

_NUM_RECORDS = 100  # of a kind: more than there is room for at first, so that everything grows


def rehearse(app: App, folder: Path) -> None:
    """Fold records of each kind, let go of what is too old, snapshot and restore.

    Kernels are compiled once on a machine, which takes seconds, and read from its disk once in a process.

    Args:
        app: the declaration.
        folder: an existing one, for a snapshot that is removed again.
    """
    state = OnlineState(app)
    _fold_each_kind(state)
    _fold_each_kind(state)  # meets what the first left: an impression, a pair of ids, another moment
    _fold_all_kinds_at_once(state)
    state.release()
    with tempfile.TemporaryDirectory(prefix="rehearsal-", dir=folder) as inside:
        state.snapshot(Path(inside))
        OnlineState.restore(app, Path(inside))


def _fold_each_kind(state: OnlineState) -> None:
    for schema in log_schemas(state.app):
        columns = _columns(schema, state.last_seq)
        state.apply(Batch(int(columns.seq[0]), int(columns.seq[-1]), {schema.kind: columns}))


def _fold_all_kinds_at_once(state: OnlineState) -> None:
    """Fold events beside the updates of what they are of."""
    first_seq = last_seq = state.last_seq
    kinds = {}
    for schema in log_schemas(state.app):
        kinds[schema.kind] = _columns(schema, last_seq)
        last_seq = int(kinds[schema.kind].seq[-1])
    state.apply(Batch(first_seq + 1, last_seq, kinds))


def _columns(schema: EventSchema, after_seq: int) -> Columns:
    seqs = range(after_seq + 1, after_seq + 1 + _NUM_RECORDS)
    records = [Record(seq, seq, schema.kind, seq, None, _some_fields(schema, seq)) for seq in seqs]
    return columns_from_records(schema, records)


def _some_fields(schema: EventSchema, seq: int) -> dict[str, object]:
    text = f"rehearsed {seq % _NUM_RECORDS}"
    values: dict[FieldType, object] = {
        "bool": True, "float": 1.0, "floats": [1.0], "int": 1, "str": text, "time": seq,
    }  # fmt: skip
    return {name: values[type_] for name, type_ in schema.fields.items()}
