"""Where a server's log and state come from: its own process, or see `shared`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from shortlist.declare.app import App
from shortlist.features.online import OnlineState
from shortlist.features.schema import log_schemas
from shortlist.log.columns import Batch
from shortlist.log.protocol import EventLog
from shortlist.log.sqlite import SqliteLog
from shortlist.online.snapshots import Snapshots

Told = Callable[[int, int], None]
"""Called with (records folded, records in all) while a log is read; it may raise to give up."""


@dataclass(frozen=True)
class Opened:
    """The log, and the state that has seen all of it."""

    log: EventLog
    state: OnlineState


class Opening(Protocol):
    """A way to open the log and the state of one data folder, and to close them."""

    def open(self, told: Told) -> Opened:
        """Bring the state up to date with the log's end, and keep it so.

        Raises:
            LogError: when the log cannot be opened.
        """

    def tidy(self) -> None:
        """Do what is due now and then; after `open`."""

    def close(self) -> None:
        """Make what was logged durable, and keep what a restart needs; after `open` or before."""


class Embedded:
    """This process writes the log itself.

    Args:
        app: the declaration.
        data: the folder with `log/` and `state/`.
        broken: called when a record could not be folded.
    """

    def __init__(self, app: App, data: Path, broken: Callable[[], None]) -> None:
        self._app, self._data, self._broken = app, data, broken
        self._snapshots = Snapshots(app, data / "state")
        self._opened: Opened | None = None

    def open(self, told: Told) -> Opened:
        """See `Opening.open`."""
        log = SqliteLog(self._data / "log", log_schemas(self._app))
        try:
            state = self._snapshots.restore()
            # Nobody else may append, and this process does not before it is open: no record is missed.
            state.catch_up(log, told)
            log.subscribe(lambda batch: self._fold(state, batch))
            self._snapshots.save(state)
        except BaseException:
            log.close()
            raise
        self._opened = Opened(log, state)
        return self._opened

    def tidy(self) -> None:
        """See `Opening.tidy`."""
        if self._opened is not None:
            # Now, and not only at the end: after a crash all that is no part of it is folded again.
            self._snapshots.save(self._opened.state)

    def close(self) -> None:
        """See `Opening.close`."""
        if self._opened is not None:
            self._opened.log.close()
            self._snapshots.save(self._opened.state)

    def _fold(self, state: OnlineState, batch: Batch) -> None:
        try:
            state.apply(batch)
        except Exception:
            self._snapshots.forbid()
            self._broken()
            raise
