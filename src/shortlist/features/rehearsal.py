"""All that is done with a state, once, on one that nobody reads: so that no event waits for a compiler."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from shortlist.declare.app import App
from shortlist.features.online import OnlineState
from shortlist.features.schema import log_schemas
from shortlist.log.columns import Batch, columns_from_records
from shortlist.log.record import Record
from shortlist.log.schema import EventSchema, FieldType

_NUM_RECORDS = 100  # of a kind: more than there is room for at first, so that everything grows
_ROUNDS = 3  # each meets what the ones before it left: an impression, a pair of ids, another moment


def rehearse(app: App) -> None:
    """Fold some records of each kind, let go of what is too old, snapshot and restore.

    Kernels are compiled once on a machine, which takes seconds, and read from its disk once in a process.
    """
    state = OnlineState(app)
    for _ in range(_ROUNDS):
        for schema in log_schemas(app):
            seqs = range(state.last_seq + 1, state.last_seq + 1 + _NUM_RECORDS)
            records = [
                Record(seq, seq, schema.kind, seq, None, _some_fields(schema, seq - seqs[0], seq))
                for seq in seqs
            ]
            state.apply(Batch(seqs[0], seqs[-1], {schema.kind: columns_from_records(schema, records)}))
    state.release()
    with tempfile.TemporaryDirectory(prefix="shortlist-") as folder:
        state.snapshot(Path(folder))
        OnlineState.restore(app, Path(folder))


def _some_fields(schema: EventSchema, number: int, time_us: int) -> dict[str, object]:
    values: Mapping[FieldType, object] = {
        "bool": True, "float": 1.0, "floats": [1.0], "int": 1, "str": f"rehearsed {number}", "time": time_us,
    }  # fmt: skip
    return {name: values[type_] for name, type_ in schema.fields.items()}
