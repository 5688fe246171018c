"""How busy a server may be before its queue breaks the promise: the wait in an M/G/1 queue.

Mean wait of those who wait: `E[S] (1 + cv2) / (2 (1 - u))` (Pollaczek and Khinchine: the mean of all, which
is `u` times that, over the share `u` that waits). Its tail is taken as exponential, which is exact for M/M/1
and the limit for a busy queue (Kingman, On queues in heavy traffic, 1962):

    P(wait > t) = u exp(-t / E[wait | wait > 0])

so 99 of 100 wait at most `E[wait | wait > 0] ln(u / 0.01)`. A process with requests of its own is such a
queue; many processes behind one queue would do better, which is left as reserve.
"""

from __future__ import annotations

import math

_SLOW_SHARE = 0.01
_STEPS = 60


def p99_wait_ms(utilisation: float, service_ms: float, cv2: float) -> float:
    """Return the 99th percentile of the wait.

    Args:
        utilisation: the share of time the server is busy, from 0 to below 1.
        service_ms: mean time to serve one request.
        cv2: its squared coefficient of variation.
    """
    if utilisation <= _SLOW_SHARE:
        return 0.0
    mean_ms = service_ms * (1 + cv2) / (2 * (1 - utilisation))
    return mean_ms * math.log(utilisation / _SLOW_SHARE)


def highest_utilisation(budget_ms: float, service_ms: float, cv2: float) -> float:
    """Return how busy a server may be so that 99 of 100 wait at most `budget_ms`; 0 without a budget."""
    if budget_ms <= 0:
        return 0.0
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if p99_wait_ms(middle, service_ms, cv2) <= budget_ms:
            low = middle
        else:
            high = middle
    return low
