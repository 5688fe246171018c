"""What a server's process asks of the libraries in it: one thread each, and memory back when it is free."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress

ONE_THREAD = {"OMP_NUM_THREADS": "1"}
"""The environment of a server, unless it was set otherwise. Requests share the processors already: threads
of a matrix product that wait for each other, spinning, doubled the processor time of a request."""

_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # of mallopt, from glibc's malloc.h
_LARGE_BYTES = 1 << 20


def prepare_process() -> None:
    """Set both for this process; libraries look at the environment when they are loaded, so before that."""
    for name, value in ONE_THREAD.items():
        os.environ.setdefault(name, value)
    return_large_blocks()


def return_large_blocks() -> None:
    """Have each block of a megabyte or more be a mapping of its own, which ends when it is freed.

    By itself glibc keeps ever larger blocks once it has seen one freed, in an arena for each thread: a server
    of a million items held 210 MB of them after half a minute. Other C libraries are left alone.
    """
    with suppress(OSError, AttributeError, TypeError):
        allocator = ctypes.CDLL(None)
        for setting in (_MMAP_THRESHOLD, _TRIM_THRESHOLD):
            allocator.mallopt(setting, _LARGE_BYTES)
