"""The online fold: what the log says now, updated record by record, read in microseconds.

Shape legend: C candidates of one request, F feature columns, W windows, L lanes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Self
from weakref import WeakKeyDictionary

import numpy as np

from shortlist.background import give_way
from shortlist.declare.app import App
from shortlist.declare.expressions import Expression
from shortlist.declare.features import Last
from shortlist.features.batch import Resolution
from shortlist.features.encoders import Encoding
from shortlist.features.entities import EntityTable
from shortlist.features.evaluate import evaluate
from shortlist.features.fold import Folder
from shortlist.features.kept import KeptState, make_room, release_unreachable
from shortlist.features.plan import make_plan
from shortlist.features.reader import Reader
from shortlist.features.request_facts import RequestFacts
from shortlist.features.resolve import Resolver
from shortlist.features.rows import after, upto
from shortlist.features.snapshot import freeze, read_snapshot, restore_arrays, write_snapshot
from shortlist.log.columns import Batch
from shortlist.log.protocol import EventLog

_RELEASE_STEP_BYTES = 64 * 2**20
_TIDY_AFTER = 1000  # records
_AT_ONCE = 1000  # records that readers wait for
_FINISHED = object()


class LogGap(ValueError):
    """A batch that does not follow what was folded; imported history, for one, is not delivered live."""

    def __init__(self, last_seq: int, first_seq: int) -> None:
        super().__init__(
            f"online state: expected record {last_seq + 1} next, received record {first_seq}; "
            f"fold what lies between with catch_up(log)"
        )


class OnlineState:
    """Every fold of one declaration over the log, as of the last record applied.

    One writer applies, any thread reads; `lock` keeps a read from seeing half a batch. It is held for as long
    as a read or the fold of a batch takes: whatever takes longer is done beside what readers see, by one
    writer at a time.
    """

    def __init__(self, app: App) -> None:
        self.app = app
        self.plan = make_plan(app)
        self.resolver = Resolver(app, self.plan)
        self.kept = KeptState(self.plan)
        self._folder = Folder(self.resolver, self.kept)
        self.last_seq = 0
        self.last_log_time_us = 0
        self.lock = threading.RLock()
        self._writing = threading.RLock()
        self._num_bytes_released, self._next_tidied_seq = 0, 0
        self._readers: WeakKeyDictionary[Encoding, Reader] = WeakKeyDictionary()

    @property
    def tables(self) -> dict[str, EntityTable]:
        """Current attributes of every entity, by its name."""
        return self.resolver.tables

    @cached_property
    def users(self) -> EntityTable:
        """Those who choose."""
        return self.tables[self.app.user_entity.entity_name]

    @cached_property
    def items(self) -> EntityTable:
        """What is chosen."""
        return self.tables[self.app.item_entity.entity_name]

    def apply(self, batch: Batch) -> None:
        """Fold a batch of records; those already folded are skipped.

        Raises:
            LogGap: when records before the batch were never folded; nothing is folded then.
        """
        with self._writing:
            self._check_follows(batch)
            while batch.last_seq - self.last_seq > _AT_ONCE:  # readers come in between
                self._fold(upto(after(batch, self.last_seq), self.last_seq + _AT_ONCE))
            self._fold(batch)

    def catch_up(self, log: EventLog, progress: Callable[[int, int], None] | None = None) -> None:
        """Fold everything the log holds beyond the last record applied; readers wait for whole batches."""
        target = log.last_seq
        for batch in log.batches(after_seq=self.last_seq, upto_seq=target):
            with self._writing:
                self._check_follows(batch)
                self._fold(batch)
            if progress is not None:
                progress(self.last_seq, target)

    def _check_follows(self, batch: Batch) -> None:
        if batch.first_seq > self.last_seq + 1:
            raise LogGap(self.last_seq, batch.first_seq)

    def _fold(self, batch: Batch) -> None:
        if batch.first_seq <= self.last_seq:
            batch = after(batch, self.last_seq)
        if not batch.kinds:
            self.last_seq = max(self.last_seq, batch.last_seq)
            return
        resolution = Resolution(self.resolver, batch)
        latest_us = max(int(columns.log_time_us[-1]) for columns in batch.kinds.values())
        with self.lock:
            self._folder.fold(resolution.folds)
            resolution.store_updates()
            # In this order, so that a moment read without the lock is after the position read before it.
            self.last_log_time_us = max(self.last_log_time_us, latest_us)
            self.last_seq = batch.last_seq
        if self.last_seq > self._next_tidied_seq:
            self._next_tidied_seq = self.last_seq + _TIDY_AFTER
            make_room(self.kept, self.resolver)
            if self.num_bytes > 2 * self._num_bytes_released + _RELEASE_STEP_BYTES:
                self.release()

    def moment(self, now_us: int) -> int:
        """Return a request's time: now, and after every record applied, so that windows see them."""
        return max(now_us, self.last_log_time_us + 1)

    def features(
        self, user: int, items: np.ndarray, time_us: int, context: Mapping[str, object], encoding: Encoding
    ) -> np.ndarray:
        """Compute the features of candidates for a request.

        Args:
            user: the user's code, -1 when never seen.
            items: candidates' codes, int64[C].
            time_us: the request's moment, from `moment`.
            context: the request's context by field name; a missing field is null.
            encoding: of the release that will score them.

        Returns:
            float32[C, F], NaN for null; column by column in memory.
        """
        reader = self.reader(encoding)
        with self.lock:
            return reader.read(user, items, time_us, context)

    def reader(self, encoding: Encoding) -> Reader:
        """Return what reads features for an encoding; made at the first call, which takes a moment."""
        reader = self._readers.get(encoding)
        if reader is None:
            reader = self._readers[encoding] = Reader(self.resolver, self.kept, encoding)
        return reader

    def history(self, feature: Last, user: int, time_us: int) -> np.ndarray:
        """Return a user's last items, codes int64[up to n], newest first."""
        with self.lock:
            return self.kept.history(feature, user, time_us)

    def evaluate(
        self,
        expression: Expression,
        user: int,
        items: np.ndarray,
        time_us: int,
        context: Mapping[str, object],
    ) -> np.ndarray:
        """Compute an expression for candidates int64[C].

        Returns:
            bool[C] for a condition, null counting as false; float64[C] for a number, NaN for null.
        """
        with self.lock:
            values = evaluate(expression, RequestFacts(self.resolver, user, items, context).read)
        result = values.true() if values.type == "bool" else values.number()
        return result if len(result) == len(items) else np.repeat(result, len(items))

    @property
    def growth(self) -> float:
        """How much the state has grown since the last `release`: 1 when it has doubled."""
        return self.num_bytes / max(1, self._num_bytes_released) - 1

    def release(self) -> int:
        """Let go of what no window can reach any more; return the bytes freed.

        It happens by itself whenever the state has doubled. Readers never wait for it.
        """
        before = self.num_bytes
        steps = release_unreachable(self.kept, self.resolver, self.last_log_time_us)
        unfinished = True
        while unfinished:
            with self._writing:
                unfinished = next(steps, _FINISHED) is not _FINISHED
            give_way()
        self._num_bytes_released = self.num_bytes
        return before - self._num_bytes_released

    @property
    def num_bytes(self) -> int:
        """Bytes of running sums, last times and histories."""
        pairs = [space.pairs for space in self.resolver.key_spaces.values() if space.pairs is not None]
        attribution = self.resolver.labels.attribution
        return self.kept.num_bytes + attribution.nbytes + sum(index.nbytes for index in pairs)

    def snapshot(self, folder: Path) -> None:
        """Write the state into a folder, whole or not at all; `restore` and the log's tail bring it back."""
        with self._writing:  # the writer waits while memory is copied, readers never
            arrays = freeze(self.resolver, self.kept)
            position = (self.last_seq, self.last_log_time_us)
        write_snapshot(folder, self.app.fingerprint(), position, arrays())

    @classmethod
    def restore(cls, app: App, folder: Path) -> Self:
        """Read what `snapshot` wrote.

        Raises:
            SnapshotMismatch: when there is none, it is damaged, or it is of another declaration; the
                log can always rebuild the state instead.
        """
        position, arrays = read_snapshot(folder, app.fingerprint())
        state = cls(app)
        state.last_seq, state.last_log_time_us = position
        restore_arrays(arrays, state.resolver, state.kept)
        make_room(state.kept, state.resolver)
        state._num_bytes_released = state.num_bytes
        return state
