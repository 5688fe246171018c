"""What is to be served, on what machines, with what in reserve."""

from __future__ import annotations

from dataclasses import dataclass, fields

from shortlist.plan.figure import PlanError


@dataclass(frozen=True)
class Demand:
    """The load at its peak, and how much history is kept.

    Args:
        users: people known.
        items: items in the catalogue.
        rps: requests a second at the peak.
        events_per_request: events sent beside each request.
        p99_ms: the promise.
        peak_to_mean: the peak's rate over the day's mean; disks fill at the mean.
        retention_days: how long the log is kept on disk.
        training_days: how much of it a training reads.
    """

    users: float
    items: float
    rps: float
    events_per_request: float
    p99_ms: float
    peak_to_mean: float = 2.0
    retention_days: float = 90.0
    training_days: float = 30.0

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            least = 1.0 if one.name == "peak_to_mean" else 0.0
            if not least <= value < float("inf") or (value == 0 and one.name != "events_per_request"):
                raise PlanError(
                    one.name.replace("_", " "),
                    expected=f"above {least:g}" if least == 0 else f"{least:g} or more",
                    received=f"{value:g}",
                    mend="Give another value.",
                )


@dataclass(frozen=True)
class Fleet:
    """A machine, and the reserve that is kept.

    Args:
        cores: of one machine.
        memory_bytes: of one machine.
        disk_bytes: of one machine.
        utilisation: the share of processors and log capacity that may be busy at the peak.
        memory_share: the share of memory that may be planned for; the rest is for a second release during a
            swap, for snapshots, and for the system.
        spare: machines beyond need in every group that serves the same data (N + spare).
        zones: places that fail as one; the peak is held without one of them. 1 plans for none to fail.
        log_copies: of every record.
    """

    cores: int = 32
    memory_bytes: float = 128e9
    disk_bytes: float = 4e12
    utilisation: float = 0.6
    memory_share: float = 0.6
    spare: int = 1
    zones: int = 3
    log_copies: int = 3

    def __post_init__(self) -> None:
        for name in ("cores", "memory_bytes", "disk_bytes", "zones", "log_copies"):
            if getattr(self, name) <= 0:
                raise PlanError(name, expected="above 0", received=getattr(self, name), mend="Give another.")
        for name in ("utilisation", "memory_share"):
            if not 0 < getattr(self, name) < 1:
                raise PlanError(
                    name,
                    expected="a share above 0 and below 1",
                    received=getattr(self, name),
                    mend="As in 0.6: a full machine has queues without end.",
                )

    def with_reserve(self, needed: int) -> int:
        """Return how many machines hold what `needed` would, with a zone gone, and with the spare."""
        if self.zones == 1:
            return needed + self.spare
        # In whole machines a zone: those of all zones but one must be enough.
        per_zone = -(-needed // (self.zones - 1))
        return max(per_zone * self.zones, needed + self.spare)
