"""A load report: what was asked at which rate, what came back, and what it cost, as plain JSON values."""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from shortlist.load.errors import LoadError
from shortlist.load.histogram import Histogram
from shortlist.load.tally import Tally

FORMAT = 1
LATE_MS, LATE_SHARE = 1.0, 0.1
"""From where on the generator is to blame: late by this at p99, and by this share of the p99 measured."""


class _Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Read strictly: every field there, no other."""


class Spread(_Record, frozen=True):
    """How latencies lie, in milliseconds; null where there were none."""

    num: int
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    p99_9_ms: float | None
    max_ms: float | None

    @classmethod
    def of(cls, histogram: Histogram) -> Spread:
        """Read the quantiles of a histogram."""
        p50, p90, p99, p99_9, most = (_finite(histogram.quantile(q)) for q in (0.5, 0.9, 0.99, 0.999, 1.0))
        return cls(num=histogram.num, p50_ms=p50, p90_ms=p90, p99_ms=p99, p99_9_ms=p99_9, max_ms=most)


class Fate(_Record, frozen=True):
    """What became of all requests of one kind.

    Attributes:
        num: how many there were.
        answered: of those with status 200, how long they took.
        refused: the same of those with status 429 or 503.
        statuses: how many answers had each status.
        failures: how many had no answer, by the reason.
        degraded: how many of those with 200 were degraded.
        reasons: for what reasons.
        histogram: counts of the answered by the bucket of `histogram.Histogram`.
    """

    num: int
    answered: Spread
    refused: Spread
    statuses: dict[str, int]
    failures: dict[str, int]
    degraded: int
    reasons: dict[str, int]
    histogram: dict[str, int]

    @classmethod
    def of(cls, tally: Tally) -> Fate:
        """Write down a tally."""
        return cls(
            num=tally.num,
            answered=Spread.of(tally.answered),
            refused=Spread.of(tally.refused),
            statuses={str(status): count for status, count in sorted(tally.statuses.items())},
            failures=dict(sorted(tally.failures.items())),
            degraded=tally.degraded,
            reasons=dict(tally.reasons.most_common()),
            histogram=tally.answered.as_dict(),
        )

    @property
    def latencies(self) -> Histogram:
        """The histogram of the answered."""
        return Histogram.from_dict(self.histogram, self.answered.max_ms or 0.0)

    def quantile(self, q: float) -> float:
        """Return the latency that the share `q` of all requests kept; infinity when too many failed."""
        return self.latencies.quantile(q, out_of=self.num)

    @property
    def share_failed(self) -> float:
        """The share that was not answered with 200."""
        return 1 - self.answered.num / self.num if self.num else 0.0

    @property
    def share_degraded(self) -> float:
        """The share of the answered that was degraded."""
        return self.degraded / self.answered.num if self.answered.num else 0.0


class Second(_Record, frozen=True):
    """One second of a run: requests by their fate, and the p99 of the answered."""

    answered: int
    refused: int
    failed: int
    p99_ms: float | None

    @classmethod
    def of(cls, tally: Tally) -> Second:
        """Write down a second's tally."""
        failed = tally.num_failed - tally.refused.num
        p99_ms = _finite(tally.answered.quantile(0.99))
        return cls(answered=tally.answered.num, refused=tally.refused.num, failed=failed, p99_ms=p99_ms)


class ServerCost(_Record, frozen=True):
    """What the server process spent, by its own /metrics; null where it does not tell.

    Attributes:
        cpu_s: processor seconds, from before the warm-up to after the last answer.
        num_requests: for that many requests, and
        num_events: that many events.
        num_logged: so many records were logged meanwhile: events, and the evidence of what was shown.
        resident_bytes: its memory afterwards.
        state_bytes: of it, the online features.
    """

    cpu_s: float | None
    num_requests: int
    num_events: int
    num_logged: int | None
    resident_bytes: float | None
    state_bytes: float | None

    @property
    def cpu_ms_per_request(self) -> float | None:
        """Processor milliseconds a request, with all that came beside it."""
        return 1000 * self.cpu_s / self.num_requests if self.cpu_s is not None and self.num_requests else None


class Run(_Record, frozen=True):
    """One drive at one rate.

    Attributes:
        rate_rps: requests a second that were due.
        duration_s: how long, after the warm-up.
        warm_up_s: how long it went on before anything was counted.
        arrivals: "poisson" or "constant".
        events_per_request: events sent beside each request, on a schedule of their own.
        achieved_rps: answers with 200 a second.
        goodput_rps: of those, the ones within the surface's budget.
        requests: what became of the requests.
        events: what became of the events.
        lateness: how late the generator was.
        generator_cpu_s: its processor seconds, from the start of the warm-up to the last answer.
        num_waited: how many found no free connection.
        seconds: the run by the second.
        server: what it cost.
    """

    rate_rps: float
    duration_s: float
    warm_up_s: float
    arrivals: str
    events_per_request: float
    achieved_rps: float
    goodput_rps: float
    requests: Fate
    events: Fate
    lateness: Spread
    generator_cpu_s: float
    num_waited: int
    seconds: list[Second]
    server: ServerCost

    @property
    def is_generator_late(self) -> bool:
        """Whether the latencies are the generator's own rather than the server's."""
        late_ms, p99_ms = self.lateness.p99_ms or 0.0, self.requests.answered.p99_ms or 0.0
        return late_ms > max(LATE_MS, LATE_SHARE * p99_ms)


class Verdict(_Record, frozen=True):
    """One requirement, and whether it was met; `found` says what was there instead."""

    requirement: str
    is_met: bool
    found: str


class Machine(_Record, frozen=True):
    """Where it ran: generator and server, when the server was on the same machine."""

    cores: int
    memory_bytes: int
    system: str
    python: str
    is_shared: bool


class Report(_Record, frozen=True):
    """The whole of a report.

    Attributes:
        format: of this file.
        made_at: when it ended.
        surface: which surface was asked.
        release: the id of the release that served.
        slo_p99_ms: the surface's declared budget.
        machine: where it ran.
        catalogue: how many items, users and records of the log, where known.
        index: what the release says of its index, such as its recall; empty when it says nothing.
        runs: every drive, in order.
        found_rps: the highest rate that met what was sought, when it was sought.
        sought: what that was.
        verdicts: of each requirement.
    """

    format: int
    made_at: datetime
    surface: str
    release: str
    slo_p99_ms: float
    machine: Machine
    catalogue: dict[str, int]
    index: dict[str, Any]
    runs: list[Run]
    found_rps: float | None
    sought: list[str]
    verdicts: list[Verdict]

    def encode(self) -> bytes:
        """Return it as JSON."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"


def read_report(path: Path) -> Report:
    """Read a report from its file.

    Raises:
        LoadError: when there is none, or the file is no report of this version.
    """
    try:
        report = msgspec.json.decode(path.read_bytes(), type=Report)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        received = error.strerror if isinstance(error, OSError) else error
        raise LoadError(
            path, expected="a load report", received=received, mend="Write one: shortlist load --json FILE."
        ) from None
    if report.format != FORMAT:
        raise LoadError(
            path, expected=f"format {FORMAT}", received=report.format, mend="Run shortlist load again."
        )
    return report


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
