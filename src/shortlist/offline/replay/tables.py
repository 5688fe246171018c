"""The replay of a surface, as tables for a terminal and as plain values for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from shortlist.metrics import Interval
from shortlist.offline.replay.report import METRICS, FunnelReport, Milliseconds
from shortlist.offline.report import interval_as_list, printed, table

if TYPE_CHECKING:
    from rich.table import Table


def funnel_tables(one: FunnelReport) -> list[Table]:
    """Print where chosen items were found, what filters cost, and what each order is worth."""
    return [_found(one), *([_lost(one)] if one.filters else []), _ordered(one)]


def funnel_notes(one: FunnelReport) -> list[str]:
    """Say what the figures rest on, a sentence a line."""
    notes = [
        f"{one.num_moments:,} moments of {one.num_users:,} users, of {one.num_eligible:,} at which somebody "
        "chose an item for the first time, each answered from what the log held just before.",
        "People chose from what they were shown then: an item that nobody showed them counts as not wanted.",
        f"An answer took {one.answer_ms.median:.1f} ms (median), {one.answer_ms.p99:.1f} ms (p99).",
    ]
    if one.num_unknown:
        notes.append(f"At {one.num_unknown:,} moments the log had no record of the chosen item yet.")
    if one.num_fallbacks:
        notes.append(
            f"The most popular items had to stand in {one.num_fallbacks:,} times; the orders include them."
        )
    notes += [f"Degraded {count:,} times: {what}." for what, count in one.degraded.items()]
    return notes


def warnings(one: FunnelReport) -> list[str]:
    """Say whether the ranker made the order worse by more than noise; a re-ranker may, for it keeps rules."""
    if not one.has_ranker or one.orders[1].gains["ndcg"].high >= 0:
        return []
    first, ranker = one.orders[:2]
    return [
        f"WARNING: {one.surface}: the {ranker.name}'s order is worse than {first.name}: NDCG@{one.k} "
        f"{printed(ranker.gains['ndcg'], sign=True)}. What it learned to tell apart may not be what the "
        "sources propose: give it features of the pair, or leave the ranker out."
    ]


def funnel_as_dict(one: FunnelReport, *, is_timed: bool = True) -> dict[str, Any]:
    """Return a replay as plain JSON values; without its milliseconds it is the same for the same seed."""

    def timed(ms: Milliseconds | None) -> dict[str, Any]:
        return {"ms": asdict(ms)} if is_timed and ms is not None else {}

    return {
        "surface": one.surface,
        "num_moments": one.num_moments,
        "num_eligible": one.num_eligible,
        "num_users": one.num_users,
        "num_unknown": one.num_unknown,
        "num_fallbacks": one.num_fallbacks,
        "k": one.k,
        "sources": {
            source.name: {
                "recall": interval_as_list(source.recall),
                "alone": interval_as_list(source.alone),
                "num_proposed": source.num_proposed,
                **timed(source.ms),
            }
            for source in one.sources
        },
        "union_recall": interval_as_list(one.union),
        "candidates_recall": interval_as_list(one.candidates),
        "filters": {
            each.name: {
                "lost": interval_as_list(each.lost),
                "num_lost": each.num_lost,
                "num_in": each.num_in,
                "num_removed": each.num_removed,
                **timed(each.ms),
            }
            for each in one.filters
        },
        "passed_recall": interval_as_list(one.passed),
        "orders": [
            {
                "name": order.name,
                **_lists(order.metrics),
                "gain": _lists(order.gains),
                **timed(order.ms),
            }
            for order in one.orders
        ],
        "reranked": _lists(one.reranked),
        "degraded": dict(one.degraded),
        **timed(one.answer_ms),
        **({"stages_ms": _stages(one)} if is_timed else {}),
    }


def _found(one: FunnelReport) -> Table:
    made = table(
        f"{one.surface}: how much of what people then chose the sources found",
        "source", ">proposed", ">recall (95 %)", ">found by it alone (95 %)", ">ms", ">p99 ms",
    )  # fmt: skip
    for source in one.sources:
        made.add_row(
            source.name, f"{source.num_proposed:.0f}", printed(source.recall), printed(source.alone),
            *_ms(source.ms),
        )  # fmt: skip
    made.add_section()
    made.add_row("union", "", printed(one.union), "", "", "", style="bold")
    if one.candidates.value < one.union.value:
        made.add_row("union, cut to the funnel's width", "", printed(one.candidates), "", "", "")
    made.add_row("passed every filter", "", printed(one.passed), "", "", "")
    return made


def _lost(one: FunnelReport) -> Table:
    made = table(
        f"{one.surface}: what each filter costs",
        "filter", ">candidates", ">removed", ">chosen items removed", ">their share (95 %)", ">ms", ">p99 ms",
    )  # fmt: skip
    for each in one.filters:
        made.add_row(
            each.name, f"{each.num_in:.0f}", f"{each.num_removed:.1f}", f"{each.num_lost:,}",
            printed(each.lost), *_ms(each.ms),
        )  # fmt: skip
    return made


def _ordered(one: FunnelReport) -> Table:
    k = one.k
    made = table(
        f"{one.surface}: where the chosen item stood, and what each step gained over the one above",
        "order", f">HR@{k} (95 %)", f">NDCG@{k} (95 %)", ">MRR (95 %)",
        ">gain in NDCG (95 %)", ">p99 ms",
    )  # fmt: skip
    for order in one.orders:
        made.add_row(
            order.name,
            *(printed(order.metrics[metric]) for metric in METRICS),
            printed(order.gains["ndcg"], sign=True) if order.gains else "",
            _ms(order.ms)[1],
        )
    if len(one.orders) > 1 + one.has_ranker:
        made.add_section()
        made.add_row("all re-rankers", "", "", "", printed(one.reranked["ndcg"], sign=True), "")
    return made


def _ms(ms: Milliseconds | None) -> tuple[str, str]:
    return ("", "") if ms is None else (f"{ms.median:.2f}", f"{ms.p99:.2f}")


def _lists(intervals: Mapping[str, Interval]) -> dict[str, list[float] | None]:
    return {name: interval_as_list(interval) for name, interval in intervals.items()}


def _stages(one: FunnelReport) -> dict[str, dict[str, float]]:
    return {f"{role} {stage}": asdict(ms) for (role, stage), ms in one.ms.items()}
