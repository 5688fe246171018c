"""Writes that survive a power cut, and the lock between processes; POSIX."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shortlist.durable import sync


def write_durably(path: Path, content: bytes) -> None:
    """Write a file and force it to the disk; its folder entry is not forced yet."""
    path.write_bytes(content)
    sync(path)


def replace_durably(path: Path, content: bytes) -> None:
    """Give a file new content at once: whoever reads sees all of the old or all of the new.

    The caller holds the lock of the folder, so one name for the temporary file is enough, and a
    leftover of a crash is overwritten by the next write.
    """
    temporary = path.with_name(path.name + ".new")
    write_durably(temporary, content)
    temporary.replace(path)
    sync(path.parent)


def make_folder(path: Path) -> None:
    """Make a folder, and force the entry that names it to the disk."""
    if not path.is_dir():
        path.mkdir(parents=True, exist_ok=True)
        sync(path.parent)


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file at `path`; other threads and processes wait. The system frees it on a crash."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def claim(folder: Path) -> int | None:
    """Take a folder for this process, without waiting.

    Returns:
        A descriptor to close when done with the folder, or None when a live process has it, or has just
        removed it.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
