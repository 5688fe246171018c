"""Where a load was driven from."""

from __future__ import annotations

import os
import platform

from shortlist.load.connection import Address
from shortlist.load.report import Machine


def this_machine(address: Address) -> Machine:
    """Describe this machine, and say whether the server at the address is on it too."""
    return Machine(
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        is_shared=str(address.where[0]).startswith("127.") or address.where[0] == "::1",
    )
