"""Unit costs measured on the project itself: what a user, an item and a record take."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from shortlist.cli.console import Steps
from shortlist.cli.project import Project
from shortlist.declare.entities import Entity
from shortlist.declare.expressions import Attribute

if TYPE_CHECKING:
    from shortlist.features.entities import EntityTable
    from shortlist.features.online import OnlineState

_APPEND_S = 2.0
_GROUP = 500


def measured_costs(project: Project, steps: Steps) -> tuple[dict[str, float], dict[str, float]]:
    """Measure the project's log and state in this process.

    Returns:
        Unit costs by the fields of `plan.costs.Costs`; and the counts of "users" and "items".

    Raises:
        UsageError: when there is no log.
    """
    from shortlist.features.online import OnlineState

    state = OnlineState(project.app)
    with project.open_log() as log:
        steps.begin("fold the log")
        for batch in log.batches(upto_seq=min(_GROUP, log.last_seq)):
            OnlineState(project.app).apply(batch)  # compiles what folds; that is no cost of a record
        started_s = time.process_time()
        state.catch_up(log, steps.of("fold the log"))
        fold_s = time.process_time() - started_s
    state.release()
    folder = project.data / "log"
    num_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    user_bytes, item_bytes = state_bytes(state)
    users, items = max(len(state.users), 1), max(len(state.items), 1)
    steps.begin("append to a log of its own")
    values = {
        "fold_cpu_us": 1e6 * fold_s / max(state.last_seq, 1),
        "record_bytes": num_bytes / max(state.last_seq, 1),
        "user_state_bytes": user_bytes / users,
        "item_state_bytes": item_bytes / items,
        "appends_per_s": _appends_per_s(project),
    }
    return values, {"users": users, "items": items}


def state_bytes(state: OnlineState) -> tuple[int, int]:
    """Part the online state into what grows with users and what grows with items alone."""
    item = state.app.item_entity
    totals = [0, 0]
    for track, arena in zip(state.plan.tracks, state.kept.arenas, strict=True):
        is_of_items = bool(track.key) and all(_entity(part) is item for part in track.key)
        totals[is_of_items] += arena.nbytes
    item_bytes = totals[1] + _table_bytes(state.items)
    user_bytes = state.num_bytes - totals[1] + _table_bytes(state.users)
    return user_bytes, item_bytes


def _entity(part: Entity | Attribute) -> Entity:
    return part.entity if isinstance(part, Attribute) else part


def _table_bytes(table: EntityTable) -> int:
    """Bytes of the attributes and of the ids, which are kept as text and in a dictionary."""
    columns = sum(table.column(name).nbytes for name in table.entity.attribute_types)
    ids = table.vocabulary.texts()
    return columns + sum(map(sys.getsizeof, ids)) + sys.getsizeof(ids) + sys.getsizeof(dict.fromkeys(ids))


def _appends_per_s(project: Project) -> float:
    """Append the log's newest records, in groups, to a new log on the same disk."""
    from shortlist.features.schema import log_schemas
    from shortlist.log import Event, SqliteLog

    with project.open_log() as log:
        records = log.read(after_seq=max(0, log.last_seq - _GROUP), limit=_GROUP)
    events = [Event(record.kind, record.fields) for record in records]
    with (
        tempfile.TemporaryDirectory(prefix="load-", dir=project.data) as folder,
        SqliteLog(Path(folder), log_schemas(project.app)) as log,
    ):
        started_s, num = time.perf_counter(), 0
        while time.perf_counter() - started_s < _APPEND_S:
            num += len(log.append(events))
        return num / (time.perf_counter() - started_s)
