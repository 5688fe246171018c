"""From a demand and its unit costs to machines: the cheapest split into user partitions and index shards.

Users are split into P partitions by a hash: each holds the state of its users and of all items, folds the
records of its users, and answers their requests. Where the items outgrow that, they are split into S shards
on machines of their own: every request asks all of them. P and S are powers of two, tried in turn, and the
fewest machines win. For a fixed split the count grows with the demand and falls with the machine, so the
smallest of them does too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from shortlist.plan.costs import Costs
from shortlist.plan.demand import Demand, Fleet
from shortlist.plan.figure import PlanError
from shortlist.plan.queueing import highest_utilisation

_MOST_SPLITS = 2**20
DAY_S = 86_400


@dataclass(frozen=True)
class Tier:
    """Machines of one kind.

    Args:
        machines: in all, the reserve included.
        needed: of those, without the reserve.
        groups: partitions or shards, each with replicas of its own.
        processes: on one machine; of the group that needs most.
        memory_bytes: used on one machine.
        cpu_share: how busy the processors that are planned for are at the peak, with all machines up.
    """

    machines: int
    needed: int
    groups: int
    processes: int
    memory_bytes: float
    cpu_share: float

    @property
    def replicas(self) -> int:
        """Machines that hold the same data."""
        return self.machines // self.groups


@dataclass(frozen=True)
class LogSize:
    """The log: partitions for its rate, disks for its length.

    Args:
        records_per_s: at the peak.
        partitions: logs side by side.
        bytes_per_day: with all copies.
        bytes_kept: over the retention, with all copies.
        machines: for the disks, each copy on another.
    """

    records_per_s: float
    partitions: int
    bytes_per_day: float
    bytes_kept: float
    machines: int


@dataclass(frozen=True)
class Training:
    """One training: its records, what share of them fits a machine, and its processor hours."""

    records: float
    share: float
    memory_bytes: float
    cpu_hours: float


@dataclass(frozen=True)
class Plan:
    """Everything that a demand needs.

    Args:
        utilisation: how busy processors may be at the peak: the lower of what is allowed and
        queue_utilisation: what the queue allows.
        serving: machines that answer.
        index: machines that search shards of the items; None where those that answer hold all items.
        log: the log.
        training: one training.
    """

    utilisation: float
    queue_utilisation: float
    serving: Tier
    index: Tier | None
    log: LogSize
    training: Training


def make_plan(demand: Demand, costs: Costs, fleet: Fleet) -> Plan:
    """Size a demand.

    Raises:
        PlanError: when the promise is not kept even without a queue, or no split fits the machines.
    """
    if demand.p99_ms <= costs.floor_p99_ms.value:
        raise PlanError(
            f"p99 {demand.p99_ms:g} ms",
            expected=f"more than the {costs.floor_p99_ms.value:.3g} ms that 99 of 100 take without a queue "
            f"({costs.floor_p99_ms.origin})",
            received=f"{demand.p99_ms:g} ms",
            mend="No number of machines mends that: make a request cheaper, or promise less.",
        )
    plans: list[tuple[Tier, Tier | None, float]] = []
    for shards in (None, *_splits()):
        queue = queue_utilisation(demand, costs, shards)
        utilisation = min(fleet.utilisation, queue)
        if utilisation <= 0:
            continue
        index = None if shards is None else _index(demand, costs, fleet, utilisation, shards)
        tiers = [_serving(demand, costs, fleet, utilisation, number, shards) for number in _splits()]
        fitting = [tier for tier in tiers if tier is not None]
        if fitting and (shards is None or index is not None):
            plans.append((min(fitting, key=lambda tier: tier.machines), index, queue))
    if not plans:
        raise PlanError(
            "plan",
            expected="a split of users and items that fits the machines",
            received=f"none with {fleet.cores} cores and {fleet.memory_bytes / 1e9:g} GB a machine",
            mend="Give machines more memory or cores, or make a record cheaper to fold.",
        )
    serving, index, queue = min(
        plans, key=lambda plan: plan[0].machines + (plan[1].machines if plan[1] is not None else 0)
    )
    return Plan(
        min(fleet.utilisation, queue),
        queue,
        serving,
        index,
        _log(demand, costs, fleet),
        _training(demand, costs, fleet),
    )


def queue_utilisation(demand: Demand, costs: Costs, shards: int | None) -> float:
    """Return how busy a process may be for the promise to hold, by the wait that it leaves; 0 for never.

    Searching more items than were measured takes its time before anybody waits.
    """
    measured_ms = search_ms(costs, costs.measured_items.value)
    searching_ms = search_ms(costs, demand.items / (shards or 1))
    budget_ms = demand.p99_ms - costs.floor_p99_ms.value - max(0.0, searching_ms - measured_ms)
    return highest_utilisation(budget_ms, request_ms(demand, costs, shards), costs.cv2.value)


def search_ms(costs: Costs, items: float) -> float:
    """Return the processor time of one index search over so many items.

    An inverted index with the square root of N cells and a fixed number of probes reads in the order of the
    square root of N vectors (Jegou, Douze, Schmid: Product Quantization, 2011).
    """
    return costs.search_ms.value * math.sqrt(items / 1e6)


def records_per_s(demand: Demand, costs: Costs) -> float:
    """Return the records logged a second at the peak: events, and the evidence of what was shown."""
    return demand.rps * (demand.events_per_request + costs.records_per_request.value)


def request_ms(demand: Demand, costs: Costs, shards: int | None) -> float:
    """Return the processor time of a request where it is answered, with the events that come beside it."""
    measured_ms = min(search_ms(costs, costs.measured_items.value), costs.request_cpu_ms.value)
    search = search_ms(costs, demand.items) if shards is None else shards * costs.remote_call_ms.value
    events = demand.events_per_request * costs.event_cpu_ms.value
    return costs.request_cpu_ms.value - measured_ms + search + events


def _serving(
    demand: Demand, costs: Costs, fleet: Fleet, utilisation: float, partitions: int, shards: int | None
) -> Tier | None:
    """Size the tier that answers; None when a process would not fit, or had no time left beside the fold."""
    items = 0.0 if shards is not None else demand.items
    own_bytes = (
        1e6 * costs.process_mb.value
        + costs.user_state_bytes.value * demand.users / partitions
        + costs.item_state_bytes.value * items
    )
    shared_bytes = costs.item_release_bytes.value * items  # mapped, so all processes of a machine share it
    processes = min(
        int(fleet.cores / costs.process_cores.value),
        int((fleet.memory_share * fleet.memory_bytes - shared_bytes) / own_bytes),
    )
    folding = records_per_s(demand, costs) / partitions * costs.fold_cpu_us.value / 1e6
    left = costs.process_cores.value * utilisation - folding
    if processes < 1 or left <= 0:
        return None
    busy = demand.rps / partitions * request_ms(demand, costs, shards) / 1000
    in_all = math.ceil(busy / left)
    needed = math.ceil(in_all / processes)
    machines = fleet.with_reserve(needed)
    per_machine = min(processes, math.ceil(in_all / needed))
    return Tier(
        partitions * machines,
        partitions * needed,
        partitions,
        per_machine,
        shared_bytes + per_machine * own_bytes,
        (busy / (machines * per_machine) + folding) / costs.process_cores.value,
    )


def _index(demand: Demand, costs: Costs, fleet: Fleet, utilisation: float, shards: int) -> Tier | None:
    """Size the tier of index shards; None when a shard does not fit a machine."""
    items = demand.items / shards
    num_bytes = 1e6 * costs.process_mb.value + items * (
        costs.item_state_bytes.value + costs.item_release_bytes.value
    )
    if num_bytes > fleet.memory_share * fleet.memory_bytes:
        return None
    busy = demand.rps * (search_ms(costs, items) + costs.remote_call_ms.value) / 1000
    needed = math.ceil(busy / (fleet.cores * utilisation))
    machines = fleet.with_reserve(needed)
    share = busy / (machines * fleet.cores)
    return Tier(shards * machines, shards * needed, shards, 1, num_bytes, share)


def _log(demand: Demand, costs: Costs, fleet: Fleet) -> LogSize:
    peak = records_per_s(demand, costs)
    partitions = math.ceil(peak / (costs.appends_per_s.value * fleet.utilisation))
    per_day = peak / demand.peak_to_mean * DAY_S * costs.record_bytes.value * fleet.log_copies
    kept = per_day * demand.retention_days
    machines = max(fleet.log_copies, math.ceil(kept / (fleet.disk_bytes * fleet.memory_share)))
    return LogSize(peak, partitions, per_day, kept, machines)


def _training(demand: Demand, costs: Costs, fleet: Fleet) -> Training:
    records = records_per_s(demand, costs) / demand.peak_to_mean * DAY_S * demand.training_days
    whole = records * costs.training_bytes.value
    share = min(1.0, fleet.memory_share * fleet.memory_bytes / whole)
    return Training(records, share, whole * share, records * share * costs.training_cpu_us.value / 3.6e9)


def _splits() -> list[int]:
    return [2**power for power in range(_MOST_SPLITS.bit_length())]
