"""What one request, record, user and item cost, each figure with where it is from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from shortlist.load.report import Report, Run
from shortlist.plan.figure import Figure, Origin, PlanError


@dataclass(frozen=True)
class Costs:
    """The unit costs of a plan."""

    request_cpu_ms: Figure
    fold_cpu_us: Figure
    event_cpu_ms: Figure
    floor_p99_ms: Figure
    process_cores: Figure
    process_mb: Figure
    user_state_bytes: Figure
    item_state_bytes: Figure
    item_release_bytes: Figure
    record_bytes: Figure
    appends_per_s: Figure
    records_per_request: Figure
    search_ms: Figure
    measured_items: Figure
    remote_call_ms: Figure
    training_bytes: Figure
    training_cpu_us: Figure
    cv2: Figure

    def with_measured(self, values: Mapping[str, float], why: str, origin: Origin = "measured") -> Costs:
        """Return the costs with some figures replaced by better ones, by field name."""
        return replace(
            self,
            **{
                name: replace(getattr(self, name), value=value, origin=origin, why=why)
                for name, value in values.items()
            },
        )

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Every figure, in the order of the fields."""
        return tuple(getattr(self, one.name) for one in fields(self))


_UNWELL = 0.01
_UNKNOWN = "never measured: bring a load report, --measured FILE"
_SEARCH = "inverted lists over a million vectors of 64 numbers, 16 of 1,024 lists read"
_RECIPE = "two trainings of the video recipe, on 26 k and 101 k records: what the larger took more"

ASSUMED = Costs(
    request_cpu_ms=Figure("processor of a request", 5.0, "ms", "assumed", _UNKNOWN),
    fold_cpu_us=Figure("processor to fold a record", 20.0, "us", "assumed", _UNKNOWN),
    event_cpu_ms=Figure("processor to take an event over HTTP", 0.5, "ms", "assumed", _UNKNOWN),
    floor_p99_ms=Figure("p99 without a queue", 10.0, "ms", "assumed", _UNKNOWN),
    process_cores=Figure("cores one server process can use", 1.0, "", "assumed", "one interpreter lock"),
    process_mb=Figure("memory of a process without data", 300.0, "MB", "assumed", _UNKNOWN),
    user_state_bytes=Figure("state of a user", 4000.0, "bytes", "assumed", _UNKNOWN),
    item_state_bytes=Figure("state of an item", 1000.0, "bytes", "assumed", _UNKNOWN),
    item_release_bytes=Figure("release of an item: index, vectors", 500.0, "bytes", "assumed", _UNKNOWN),
    record_bytes=Figure("a record on the disk", 100.0, "bytes", "assumed", _UNKNOWN),
    appends_per_s=Figure("durable records a second of one log", 20_000.0, "", "assumed", _UNKNOWN),
    records_per_request=Figure(
        "records of evidence a request", 20.0, "", "assumed", "an impression for each slot of a slate of 20"
    ),
    search_ms=Figure("processor of searching a million items", 0.5, "ms", "assumed", _SEARCH),
    measured_items=Figure("items it was measured with", 1.0, "", "assumed", _UNKNOWN),
    remote_call_ms=Figure(
        "processor of asking one index shard", 0.1, "ms", "assumed", "a small message there and back"
    ),
    training_bytes=Figure("memory of a record in training", 900.0, "bytes", "assumed", _RECIPE),
    training_cpu_us=Figure("processor of a record in training", 25.0, "us", "assumed", _RECIPE),
    cv2=Figure(
        "squared variation of a request's service time", 1.0, "", "assumed", "as of an exponential one"
    ),
)


def measured_by(report: Report, costs: Costs = ASSUMED) -> Costs:
    """Take from a load report what it measured; the rest stays as it was.

    A request's processor time is that of the highest rate at which next to nothing failed or was degraded:
    a server does something even when nobody asks, and beyond that rate it does less for each. The p99
    without a queue is that of the lowest rate. Where some runs sent events beside the requests, what those
    took more is the cost of an event.

    Raises:
        PlanError: when the report holds no run with answers.
    """
    runs = [run for run in report.runs if run.requests.answered.num and run.requests.answered.p99_ms]
    if not runs:
        raise PlanError(
            "load report", expected="a run with answers", received="none", mend="Run shortlist load again."
        )
    why = f"load report of {report.made_at:%Y-%m-%d %H:%M}, release {report.release[:12]}"
    plain = [run for run in runs if run.events_per_request == 0] or runs
    least_rps = min(run.rate_rps for run in plain)
    lowest = [run for run in plain if run.rate_rps == least_rps]
    healthy = [run for run in plain if max(run.requests.share_failed, run.requests.share_degraded) <= _UNWELL]
    base = max(healthy or lowest, key=lambda run: run.rate_rps)
    values = {"floor_p99_ms": min(run.requests.answered.p99_ms or 0.0 for run in lowest)}
    request_cpu_ms = base.server.cpu_ms_per_request
    if request_cpu_ms is not None:
        values["request_cpu_ms"] = request_cpu_ms
        values |= _event_cost(runs, request_cpu_ms)
    if base.server.resident_bytes is not None:
        release_bytes = report.catalogue.get("bytes of the release", 0)
        data_bytes = (base.server.state_bytes or 0.0) + release_bytes
        values["process_mb"] = max(0.0, base.server.resident_bytes - data_bytes) / 1e6
    if base.server.num_logged is not None and base.events_per_request == 0 and base.server.num_logged > 0:
        values["records_per_request"] = base.server.num_logged / base.server.num_requests
    if items := report.catalogue.get("items"):
        values["measured_items"] = items
        if "bytes of the release" in report.catalogue:
            values["item_release_bytes"] = report.catalogue["bytes of the release"] / items
    return costs.with_measured(values, why)


def _event_cost(runs: list[Run], request_cpu_ms: float) -> dict[str, float]:
    for run in runs:
        cost = run.server
        if cost.num_events and cost.cpu_s is not None:
            beside_s = cost.cpu_s - cost.num_requests * request_cpu_ms / 1000
            return {"event_cpu_ms": max(0.0, 1000 * beside_s / cost.num_events)}
    return {}
