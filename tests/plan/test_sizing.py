"""Plans by their properties: more demand never takes fewer machines, a better machine never more."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.plan.breaks import beyond, limits
from shortlist.plan.costs import ASSUMED
from shortlist.plan.demand import Demand, Fleet
from shortlist.plan.figure import PlanError
from shortlist.plan.sizing import Plan, make_plan, records_per_s, request_ms

COSTS = ASSUMED.with_measured({"measured_items": 1e6}, "a test")
SMALL = Demand(users=1e5, items=1e5, rps=100, events_per_request=1, p99_ms=50)
HUGE = Demand(users=1e9, items=1e8, rps=1e5, events_per_request=5, p99_ms=50)

demands = st.builds(
    Demand,
    users=st.floats(1e3, 1e9), items=st.floats(1e3, 1e8), rps=st.floats(1, 1e5),
    events_per_request=st.floats(0, 10), p99_ms=st.floats(20, 500),
)  # fmt: skip
factors = st.floats(1.0, 20.0)


def machines(plan: Plan) -> int:
    return plan.serving.machines + (plan.index.machines if plan.index is not None else 0)


def planned(demand: Demand, fleet: Fleet, costs=COSTS) -> float:
    try:
        return machines(make_plan(demand, costs, fleet))
    except PlanError:
        return float("inf")


@pytest.mark.parametrize("grows", ["users", "items", "rps", "events_per_request"])
@settings(max_examples=25, deadline=None)
@given(demand=demands, factor=factors)
def test_more_demand_never_takes_fewer_machines(grows, demand, factor):
    more = replace(demand, **{grows: getattr(demand, grows) * factor})
    assert planned(demand, Fleet()) <= planned(more, Fleet())


@pytest.mark.parametrize("grows", ["cores", "memory_bytes"])
@settings(max_examples=25, deadline=None)
@given(demand=demands, factor=st.integers(1, 8))
def test_a_bigger_machine_never_takes_more_of_them(grows, demand, factor):
    bigger = replace(Fleet(), **{grows: getattr(Fleet(), grows) * factor})
    assert planned(demand, bigger) <= planned(demand, Fleet())


@settings(max_examples=25, deadline=None)
@given(demand=demands, factor=factors)
def test_a_tighter_promise_never_takes_fewer_machines(demand, factor):
    looser = replace(demand, p99_ms=demand.p99_ms * factor)
    assert planned(looser, Fleet()) <= planned(demand, Fleet())


@settings(max_examples=40, deadline=None)
@given(demand=demands, zones=st.integers(1, 4), spare=st.integers(0, 2))
def test_every_plan_holds_its_own_promises(demand, zones, spare):
    fleet = Fleet(zones=zones, spare=spare)
    try:
        plan = make_plan(demand, COSTS, fleet)
    except PlanError:
        return
    for tier in filter(None, (plan.serving, plan.index)):
        assert tier.memory_bytes <= fleet.memory_share * fleet.memory_bytes
        assert 0 < tier.cpu_share <= plan.utilisation + 1e-9
        assert tier.machines >= tier.needed + spare * tier.groups
        if zones > 1:
            assert tier.replicas * (zones - 1) // zones * tier.groups >= tier.needed
    assert plan.utilisation <= fleet.utilisation
    assert plan.log.partitions * COSTS.appends_per_s.value * fleet.utilisation >= plan.log.records_per_s


def test_a_small_demand_is_one_group_and_a_huge_one_is_split():
    small, huge = make_plan(SMALL, COSTS, Fleet()), make_plan(HUGE, COSTS, Fleet())
    assert (small.serving.groups, small.index, small.log.partitions) == (1, None, 1)
    assert small.serving.machines == 3, "one for each zone"
    assert huge.serving.groups > 1
    assert huge.log.partitions > 1
    needs = " ".join(beyond(huge))
    assert "partitions" in needs
    assert "routed by user" in needs


def test_the_arithmetic_of_one_demand():
    demand = replace(SMALL, rps=1000, events_per_request=2)
    fleet = Fleet(zones=1, spare=0)
    plan = make_plan(demand, COSTS, fleet)
    assert records_per_s(demand, COSTS) == 1000 * (2 + 20)
    # 5 ms as measured with a million items, less the time to search those, and the search of a tenth of them.
    assert request_ms(demand, COSTS, None) == pytest.approx(5.0 - 0.5 + 0.5 * 0.1**0.5 + 2 * 0.5)
    per_process = plan.utilisation / plan.serving.groups * plan.serving.groups
    folding = 22_000 / plan.serving.groups * 20e-6
    processes = 1000 / plan.serving.groups * request_ms(demand, COSTS, None) / 1000 / (per_process - folding)
    assert plan.serving.needed == plan.serving.groups * -(-processes // 32)
    assert plan.log.bytes_per_day == pytest.approx(22_000 / 2 * 86_400 * 100 * 3)


def test_what_breaks_first_is_first():
    plan = make_plan(HUGE, COSTS, Fleet())
    found = limits(HUGE, COSTS, Fleet(), plan)
    assert [one.share for one in found] == sorted(one.share for one in found)
    assert {one.part for one in found} == {"answering", "folding", "appending", "memory", "training"}
    assert found[0].share < 0.01
    easy = replace(SMALL, rps=1, training_days=1)
    assert all(one.share >= 1 for one in limits(easy, COSTS, Fleet(), make_plan(easy, COSTS, Fleet())))


def test_a_promise_below_the_floor_is_refused():
    with pytest.raises(PlanError, match="No number of machines mends that"):
        make_plan(replace(SMALL, p99_ms=9), COSTS, Fleet())


@pytest.mark.parametrize("wrong", [{"users": 0}, {"rps": -1}, {"p99_ms": 1e999}, {"peak_to_mean": 0.5}])
def test_a_demand_without_sense_is_refused(wrong):
    with pytest.raises(PlanError):
        replace(SMALL, **wrong)


@pytest.mark.parametrize("wrong", [{"cores": 0}, {"utilisation": 1.0}, {"memory_share": 0.0}, {"zones": 0}])
def test_a_fleet_without_sense_is_refused(wrong):
    with pytest.raises(PlanError):
        Fleet(**wrong)
