"""A whole log, resolved: the streams of every track from the first record to the last.

Shape legend: N rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from shortlist.declare.app import App
from shortlist.declare.expressions import Expression
from shortlist.features.conversions import Conversions
from shortlist.features.plan import ValueColumn, make_plan
from shortlist.features.resolve import Resolved, Resolver, Stream
from shortlist.features.rows import Rows, Updates, concatenated
from shortlist.log.protocol import EventLog

K = TypeVar("K")
P = TypeVar("P")


@dataclass(frozen=True)
class LogHistory:
    """What every batch of a log resolved to, joined; `resolver` has the final ids and attributes."""

    resolver: Resolver
    tracks: dict[int, Stream]
    recencies: dict[int, Stream]
    histories: dict[str, Stream]
    updates: dict[str, Updates]
    events: dict[str, Rows]
    conversions: dict[str, Conversions]
    expressions: dict[str, Expression]
    last_seq: int
    last_log_time_us: int


def read_history(
    app: App, log: EventLog, upto_seq: int | None, progress: Callable[[int, int], None] | None
) -> LogHistory:
    """Resolve a log batch by batch; see `offline.History.read`."""
    plan = make_plan(app)
    resolver = Resolver(app, plan)
    last_seq = log.last_seq if upto_seq is None else min(upto_seq, log.last_seq)
    resolved: list[Resolved] = []
    last_log_time_us = 0
    for batch in log.batches(after_seq=0, upto_seq=last_seq):
        resolved.append(resolver.resolve(batch))
        times_us = [int(columns.log_time_us[-1]) for columns in batch.kinds.values()]
        last_log_time_us = max([last_log_time_us, *times_us])
        if progress is not None:
            progress(batch.last_seq, last_seq)
    return LogHistory(
        resolver,
        _joined([one.tracks for one in resolved], _joined_streams),
        _joined([one.recencies for one in resolved], _joined_streams),
        _joined([one.histories for one in resolved], _joined_streams),
        _joined([one.updates for one in resolved], _joined_updates),
        _joined([one.events for one in resolved], concatenated),
        _joined([one.conversions for one in resolved], _joined_conversions),
        {
            name: column.expression
            for name, column in zip(plan.names, plan.columns, strict=True)
            if isinstance(column, ValueColumn)
        },
        last_seq,
        last_log_time_us,
    )


def _joined(by_batch: list[dict[K, P]], join: Callable[[list[P]], P]) -> dict[K, P]:
    parts: defaultdict[K, list[P]] = defaultdict(list)
    for one in by_batch:
        for name, part in one.items():
            parts[name].append(part)
    return {name: join(found) for name, found in parts.items()}


def _joined_streams(parts: list[Stream]) -> Stream:
    if len(parts) == 1:
        return parts[0]
    return Stream(
        np.concatenate([part.keys for part in parts]),
        np.concatenate([part.seqs for part in parts]),
        np.concatenate([part.times_us for part in parts]),
        np.concatenate([part.values for part in parts]),
    )


def _joined_updates(parts: list[Updates]) -> Updates:
    return Updates(
        np.concatenate([part.codes for part in parts]),
        np.concatenate([part.seqs for part in parts]),
        np.concatenate([part.times_us for part in parts]),
        {name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns},
    )


def _joined_conversions(parts: list[Conversions]) -> Conversions:
    return Conversions(
        concatenated([part.rows for part in parts]),
        np.concatenate([part.impression_seqs for part in parts]),
    )
