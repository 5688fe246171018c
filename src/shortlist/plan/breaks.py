"""What breaks first: how far one server with one log goes, part by part, and what is needed beyond it."""

from __future__ import annotations

from dataclasses import dataclass

from shortlist.plan.costs import Costs
from shortlist.plan.demand import Demand, Fleet
from shortlist.plan.sizing import Plan, records_per_s, request_ms


@dataclass(frozen=True)
class Limit:
    """One part of a single server process with a single log, the whole state and the whole catalogue.

    Args:
        part: which.
        share: of the demand that it holds; 1 or more holds it all.
        sentence: what it holds, in figures.
        mend: what takes it further.
    """

    part: str
    share: float
    sentence: str
    mend: str


def limits(demand: Demand, costs: Costs, fleet: Fleet, plan: Plan) -> list[Limit]:
    """Return every limit, the first to break first."""
    records = records_per_s(demand, costs)
    busy = plan.utilisation * costs.process_cores.value
    requests_s = request_ms(demand, costs, None) / 1000
    folds_s = costs.fold_cpu_us.value / 1e6
    per_request_s = requests_s + records / demand.rps * folds_s
    fold_rate = busy / folds_s if folds_s else float("inf")
    append_rate = fleet.utilisation * costs.appends_per_s.value
    memory = fleet.memory_share * fleet.memory_bytes
    user_bytes = costs.user_state_bytes.value * demand.users
    item_bytes = (costs.item_state_bytes.value + costs.item_release_bytes.value) * demand.items
    held = (memory - 1e6 * costs.process_mb.value) / (user_bytes + item_bytes)
    training = plan.training
    found = [
        Limit(
            "answering",
            busy / per_request_s / demand.rps,
            f"one process answers {busy / per_request_s:,.0f} requests a second, their records folded",
            "more processes and machines",
        ),
        Limit(
            "folding",
            fold_rate / records,
            f"a server folds every record: {fold_rate:,.0f} a second fill one process",
            "partition the users, so that a server folds those of its own",
        ),
        Limit(
            "appending",
            append_rate / records,
            f"one log takes {append_rate:,.0f} records a second",
            "partition the log",
        ),
        Limit(
            "memory",
            max(held, 0.0),
            f"users take {user_bytes / 1e9:,.1f} GB, items {item_bytes / 1e9:,.1f}, of {memory / 1e9:,.1f}",
            "partition the users, and shard the items where they take most of it",
        ),
        Limit(
            "training",
            training.share if training.share < 1 else memory / training.memory_bytes,
            f"a training reads {training.records:,.0f} records, {training.share:.2%} of which fit a machine",
            "train on a sample of the users, or on a machine with more memory",
        ),
    ]
    return sorted(found, key=lambda limit: limit.share)


def beyond(plan: Plan) -> list[str]:
    """Say what the plan needs that one folder with one server does not give."""
    needs = []
    processes = plan.serving.machines * plan.serving.processes
    if processes > 1:
        needs.append(f"a log that {processes:,} server processes share: the embedded one is one process's")
    if plan.serving.groups > 1:
        needs.append(f"users in {plan.serving.groups:,} partitions, with requests routed by user")
    if plan.index is not None:
        needs.append(
            f"the index on machines of its own, in {plan.index.groups:,} shard(s) that every request asks"
        )
    if plan.log.partitions > 1:
        needs.append(f"the log in {plan.log.partitions:,} partitions, by user")
    return needs
