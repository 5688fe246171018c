"""A whole log, resolved: the streams of every track from the first record to the last.

Shape legend: N rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from shortlist.declare.app import App
from shortlist.declare.expressions import Expression
from shortlist.features.conversions import Conversions
from shortlist.features.plan import ValueColumn, make_plan
from shortlist.features.resolve import Resolved, Resolver, Stream
from shortlist.features.rows import Rows, Updates, concatenated
from shortlist.features.streams import resolve
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
        resolved.append(resolve(resolver, batch))
        times_us = [int(columns.log_time_us[-1]) for columns in batch.kinds.values()]
        last_log_time_us = max([last_log_time_us, *times_us])
        if progress is not None:
            progress(batch.last_seq, last_seq)
    joins = _Joins()
    return LogHistory(
        resolver,
        _joined([one.tracks for one in resolved], joins.streams),
        _joined([one.recencies for one in resolved], joins.streams),
        _joined([one.histories for one in resolved], joins.streams),
        _joined([one.updates for one in resolved], joins.updates),
        _joined([one.events for one in resolved], joins.rows),
        _joined([one.conversions for one in resolved], joins.conversions),
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


class _Joins:
    """Joins batches end to end. What tracks share in every batch, such as times, they share in the whole."""

    def __init__(self) -> None:
        self._arrays: dict[tuple[int, ...], np.ndarray] = {}

    def streams(self, parts: list[Stream]) -> Stream:
        return Stream(
            self._array([part.keys for part in parts]),
            self._array([part.seqs for part in parts]),
            self._array([part.times_us for part in parts]),
            self._array([part.values for part in parts]),
        )

    def updates(self, parts: list[Updates]) -> Updates:
        return Updates(
            self._array([part.codes for part in parts]),
            self._array([part.seqs for part in parts]),
            self._array([part.times_us for part in parts]),
            {name: self._array([part.columns[name] for part in parts]) for name in parts[0].columns},
        )

    def rows(self, parts: list[Rows]) -> Rows:
        return concatenated(parts, self._array)

    def conversions(self, parts: list[Conversions]) -> Conversions:
        return Conversions(
            self.rows([part.rows for part in parts]),
            self._array([part.impression_seqs for part in parts]),
        )

    def _array(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        # The batches are held until all is joined, so an identity stands for one array only.
        same = tuple(map(id, parts))
        if same not in self._arrays:
            self._arrays[same] = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return self._arrays[same]
