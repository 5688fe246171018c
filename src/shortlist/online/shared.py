"""The log and the state of one worker among several: another process writes the log, this one follows it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

from shortlist.declare.app import App
from shortlist.features.online import OnlineState
from shortlist.features.schema import log_schemas
from shortlist.log.columns import Batch
from shortlist.log.remote import RemoteLog
from shortlist.online.opening import Opened, Told
from shortlist.online.snapshots import Snapshots

_NEAR_RECORDS = 10_000


class Shared:
    """Opens the log through a channel to its keeper, and folds all that it sends.

    Args:
        app: the declaration.
        data: the folder with `log/` and `state/`.
        channel: to the keeper.
        ended: called when this process cannot go on: its keeper has gone, or a record could not be folded.
        saves: whether this process writes the snapshots, for all.
    """

    def __init__(
        self, app: App, data: Path, channel: socket.socket, ended: Callable[[], None], *, saves: bool
    ) -> None:
        self._app, self._data, self._channel, self._ended = app, data, channel, ended
        self._snapshots = Snapshots(app, data / "state")
        self._saves = saves
        self._opened: Opened | None = None

    def open(self, told: Told) -> Opened:
        """See `Opening.open`."""
        log = RemoteLog(self._data / "log", log_schemas(self._app), self._channel, self._ended)
        try:
            state = self._snapshots.restore()
            # Others append meanwhile: read until little is left, so that few commits wait in the channel.
            while log.last_seq - state.last_seq > _NEAR_RECORDS:
                state.catch_up(log, told)
            log.subscribe(lambda batch: self._fold(log, state, batch))
            state.catch_up(log, told)
        except BaseException:
            log.close()
            raise
        self._opened = Opened(log, state)
        self.tidy()
        return self._opened

    def tidy(self) -> None:
        """See `Opening.tidy`."""
        if self._opened is not None and self._saves:
            self._snapshots.save(self._opened.state)

    def close(self) -> None:
        """See `Opening.close`."""
        if self._opened is not None:
            self._opened.log.close()
        self.tidy()

    def _fold(self, log: RemoteLog, state: OnlineState, batch: Batch) -> None:
        try:
            if batch.first_seq > state.last_seq + 1:
                for earlier in log.batches(state.last_seq, batch.first_seq - 1):
                    state.apply(earlier)
            state.apply(batch)
        except Exception:
            self._snapshots.forbid()
            self._ended()
            raise
