"""Making files durable, and owning a folder."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from shortlist.durable import sync
from shortlist.log.errors import LogLocked


def publish(staging: Path, final: Path) -> None:
    """Move a finished folder of files to its final name, surviving a power cut at any point.

    The folder appears whole or not at all; a leftover of the same name is replaced.
    """
    for file in staging.iterdir():
        sync(file)
    sync(staging)
    staging.rename(final)
    sync(final.parent)


class FolderLock:
    """An operating-system lock that says one opener writes to the folder; it ends with its process."""

    def __init__(self, folder: Path) -> None:
        """Take the lock.

        Raises:
            LogLocked: when another opener holds it.
        """
        self._file = (folder / "lock").open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            holder = self._file.read().strip() or "unknown"
            self._file.close()
            raise LogLocked(
                f"log {folder}: expected no other writer, but process {holder} has it open. "
                f"Stop it, send it your events, or open the log with read_only=True."
            ) from None
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        """Give the folder free."""
        self._file.close()
