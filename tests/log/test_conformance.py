"""The embedded log, and the log that another thread's event loop keeps, are event logs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from log.conformance import MAX_PENDING_EVENTS, EventLogConformance
from log.keeping import keeping
from log.kinds import KINDS
from shortlist.log import EventLog, RemoteLog, SqliteLog


class TestSqliteLog(EventLogConformance):
    @pytest.fixture
    def log(self, tmp_path: Path) -> Iterator[EventLog]:
        with SqliteLog(tmp_path, KINDS, max_pending_events=MAX_PENDING_EVENTS) as log:
            yield log


class TestRemoteLog(EventLogConformance):
    @pytest.fixture
    def log(self, tmp_path: Path) -> Iterator[EventLog]:
        with (
            keeping(tmp_path) as kept,
            RemoteLog(tmp_path, KINDS, kept.join(), max_pending_events=MAX_PENDING_EVENTS) as log,
        ):
            yield log
