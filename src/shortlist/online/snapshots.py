"""The snapshots of a server's state: a restart reads the last one, and the log from there on."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from shortlist.declare.app import App
from shortlist.features.online import OnlineState
from shortlist.features.snapshot import SnapshotMismatch

AFTER_RECORDS = 100_000
"""Replaying fewer records than this takes a second or two, so a snapshot is not worth its time."""

_logger = logging.getLogger(__name__)


class Snapshots:
    """Where one process keeps the snapshots of its state; only one may write to the folder.

    Args:
        app: the declaration.
        folder: need not be there yet.
    """

    def __init__(self, app: App, folder: Path) -> None:
        self._app, self._folder = app, folder
        self._last_seq = 0
        self._saving = threading.Lock()
        self._is_forbidden = False

    def restore(self) -> OnlineState:
        """Return the state of the last snapshot; a new one when there is none that can be used."""
        state = OnlineState(self._app)
        if self._folder.exists():
            try:
                state = OnlineState.restore(self._app, self._folder)
            except SnapshotMismatch as mismatch:
                _logger.warning("%s", mismatch)
        self._last_seq = state.last_seq
        return state

    def save(self, state: OnlineState) -> None:
        """Write a snapshot if enough has come since the last one."""
        with self._saving:  # the end waits for a snapshot under way
            seq = state.last_seq
            if seq - self._last_seq >= AFTER_RECORDS and not self._is_forbidden:
                state.snapshot(self._folder)
                self._last_seq = seq

    def forbid(self) -> None:
        """Write none any more: the state is not what the log says."""
        self._is_forbidden = True
