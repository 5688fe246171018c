"""How many threads the numeric libraries of a server's process use: one."""

from __future__ import annotations

import os

ONE_THREAD = {"OMP_NUM_THREADS": "1"}
"""The environment of a server, unless it was set otherwise. Requests share the processors already: threads
of a matrix product that wait for each other, spinning, doubled the processor time of a request."""


def use_one_thread() -> None:
    """Set the environment of this process; the libraries look at it when they are loaded, so before that."""
    for name, value in ONE_THREAD.items():
        os.environ.setdefault(name, value)
