"""The kernel of `LastTimes`: the time of each slot's last row.

N rows added, K slots.
"""

from __future__ import annotations

from shortlist.compiled import compiled
from shortlist.features.kernels.arrays import Int64s


@compiled
def put_latest(latest_us: Int64s, slots: Int64s, times_us: Int64s) -> int:
    """Put rows in log order into latest int64[K]; return one more than the highest slot, were it K or more.

    Nothing is put then; a slot of -1 is skipped.
    """
    num_slots = 0
    for row in range(slots.shape[0]):
        num_slots = max(num_slots, slots[row] + 1)
    if num_slots > latest_us.shape[0]:
        return num_slots
    for row in range(slots.shape[0]):
        if slots[row] >= 0:
            latest_us[slots[row]] = times_us[row]
    return 0
