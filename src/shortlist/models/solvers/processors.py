"""How many processors this process may use."""

from __future__ import annotations

import os


def num_processors() -> int:
    """Return how many processors the system lets this process run on, which may be fewer than there are."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS, not on Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
