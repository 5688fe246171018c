"""What a server's process is told at its start: memory that is freed goes back."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

SCRIPT = """
import sys
import numpy as np
from shortlist.online.process import return_large_blocks

def resident_mb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024

if sys.argv[1] == "asked":
    return_large_blocks()
del_me = np.ones(30_000_000, np.uint8)
del del_me  # glibc would keep such blocks from now on
before_mb = resident_mb()
blocks = [np.ones(2_000_000, np.uint8) for _ in range(80)]
kept = blocks[::8]  # between the others, so that they could not be given back
del blocks
print(resident_mb() - before_mb - 2 * len(kept))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_freed_memory_goes_back_to_the_system():
    def still_held_mb(how):
        ran = subprocess.run([sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True)
        return float(ran.stdout)

    assert still_held_mb("asked") < 10
    assert still_held_mb("not asked") > 50
