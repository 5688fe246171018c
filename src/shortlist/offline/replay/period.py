"""A test period, replayed: draw its moments, fold the log up to it, walk on, and sum up what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.declare.surface import Surface
from shortlist.features.offline import History
from shortlist.features.online import OnlineState
from shortlist.log.protocol import EventLog
from shortlist.offline.progress import Steps
from shortlist.offline.replay.moments import Moments, draw_moments
from shortlist.offline.replay.report import FunnelReport, funnel_report
from shortlist.offline.replay.walk import Walk, replay
from shortlist.offline.splits import Period
from shortlist.pipeline.artifacts import FunnelArtifacts


@dataclass(frozen=True)
class ReplayedPeriod:
    """What a replay found, by surface in their order; the state as it was at the last moment; the moments."""

    funnels: tuple[FunnelReport, ...]
    state: OnlineState
    moments: Mapping[str, Moments]


def read_past(
    history: History, log: EventLog, times_us: NDArray[np.int64], period: Period, steps: Steps
) -> History:
    """Read the log up to where a period begins, and no further.

    Args:
        history: the whole log, read.
        log: the same log.
        times_us: from `moments.log_times`.
        period: of the test.
        steps: told of the step.
    """
    with steps.step("read the past") as report:
        start_seq = int(np.searchsorted(times_us, period.start_us))
        return History.read(history.app, log, start_seq, report)


def replay_period(
    history: History,
    log: EventLog,
    times_us: NDArray[np.int64],
    period: Period,
    artifacts: Mapping[str, FunnelArtifacts],
    surfaces: Sequence[Surface],
    *,
    num_requests: int,
    seed: int,
    steps: Steps,
) -> ReplayedPeriod:
    """Replay a period through the funnels of some surfaces.

    Args:
        history: the whole log, read.
        log: the same log.
        times_us: from `moments.log_times`.
        period: of the test.
        artifacts: by surface, fitted on what `read_past` returned.
        surfaces: of the declaration.
        num_requests: how many moments at most, for each surface.
        seed: of everything random.
        steps: told of every step.

    Raises:
        OfflineError: when fewer than two users chose something new in the period.
    """
    with steps.step("fold the past") as report:
        moments = {
            surface.surface_name: draw_moments(
                history, times_us, surface, period, num_moments=num_requests, seed=seed
            )
            for surface in surfaces
        }
        start_seq = int(np.searchsorted(times_us, period.start_us))
        walk = Walk(history.app, log, start_seq, report)
    with steps.step("replay") as report:
        seen = replay(walk, artifacts, moments, seed=seed, progress=report)
        funnels = tuple(funnel_report(name, one, seed=seed) for name, one in seen.items())
    return ReplayedPeriod(funnels, walk.state, moments)
