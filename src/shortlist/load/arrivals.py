"""When requests are due: an open schedule, made before the first is sent and changed by no answer.

A closed loop, which sends when the last answer is back, asks less of a slow server than users would, and
so hides its slowness (Schroeder, Wierman, Harchol-Balter: Open Versus Closed, NSDI 2006).

Shape legend: N arrivals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Process = Literal["poisson", "constant"]
Kind = Literal["recommend", "event"]


@dataclass(frozen=True)
class Schedule:
    """What is due when.

    Args:
        due_s: seconds from the start, not falling, float64[N].
        is_event: whether an event is due, or else a request, bool[N].
    """

    due_s: np.ndarray
    is_event: np.ndarray

    def __len__(self) -> int:
        return len(self.due_s)


def arrivals(rate: float, duration_s: float, process: Process, seed: int) -> np.ndarray:
    """Return arrival times in `[0, duration_s)`, float64[N].

    A Poisson process is what many independent users make: their number is Poisson, and given the number
    their times are uniform and independent.

    Args:
        rate: arrivals a second, on average.
        duration_s: for how long.
        process: "poisson", or "constant" for one every `1 / rate` seconds.
        seed: the same seed gives the same times.
    """
    if process == "constant":
        return np.arange(int(rate * duration_s)) / rate
    random = np.random.default_rng(seed)
    return np.sort(random.uniform(0.0, duration_s, random.poisson(rate * duration_s)))


def schedule(
    rate: float, events_per_request: float, duration_s: float, process: Process, seed: int
) -> Schedule:
    """Merge the requests with the events that are due beside them; the two do not wait for each other."""
    requests = arrivals(rate, duration_s, process, seed)
    events = np.zeros(0)
    if events_per_request > 0:
        events = arrivals(rate * events_per_request, duration_s, process, seed + 1)
    due_s = np.concatenate([requests, events])
    order = np.argsort(due_s, kind="stable")
    return Schedule(due_s[order], np.repeat([False, True], [len(requests), len(events)])[order])
