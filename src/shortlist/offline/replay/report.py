"""What a replay found: where in the funnel the items that people chose were found, lost and moved.

M moments. Every interval is of resampled users.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.metrics import Interval, bootstrap_mean, paired_difference
from shortlist.offline.replay.moments import check_users
from shortlist.offline.replay.walk import Replayed

METRICS = ("hr", "ndcg", "mrr")
"""Of one relevant item at rank r, cut off at k: 1; 1 / log2(r + 1); and, without a cut-off, 1 / r."""


@dataclass(frozen=True)
class Milliseconds:
    """How long something took, over the moments at which it ran."""

    median: float
    p99: float


@dataclass(frozen=True)
class SourceFigures:
    """One source.

    Attributes:
        name: of the source.
        recall: share of the chosen items that it proposed.
        alone: share of the chosen items that it proposed and no other source did: what the union
            would lose without it.
        num_proposed: items it proposed, on average.
        ms: of its answers.
    """

    name: str
    recall: Interval
    alone: Interval
    num_proposed: float
    ms: Milliseconds


@dataclass(frozen=True)
class FilterFigures:
    """One filter.

    Attributes:
        name: of the filter.
        lost: share of the chosen items that came as far as it, and that it dropped; None where those are
            of fewer than two users.
        num_lost: how many chosen items that was.
        num_in: items that came as far as it, on average.
        num_removed: items it dropped, on average.
        ms: of its answers.
    """

    name: str
    lost: Interval | None
    num_lost: int
    num_in: float
    num_removed: float
    ms: Milliseconds


@dataclass(frozen=True)
class OrderFigures:
    """One order of the candidates, or of the fallback; a chosen item that is not there is not found.

    Attributes:
        name: what made the order.
        metrics: by the names in `METRICS`.
        gains: by how much each is above that of the order before, moment by moment; empty for the first.
        ms: of its answers, a ranker's without the features.
    """

    name: str
    metrics: Mapping[str, Interval]
    gains: Mapping[str, Interval]
    ms: Milliseconds | None


@dataclass(frozen=True)
class FunnelReport:
    """The replay of one surface in one period.

    Attributes:
        surface: its name.
        num_moments: M.
        num_eligible: of how many moments these were drawn.
        num_users: whose they are.
        num_unknown: moments whose chosen item the log had no record of; no source could find it.
        k: how many items are shown.
        sources: one a source.
        union: share of the chosen items that any source proposed.
        candidates: share of the chosen items among the candidates that the sources' lists were merged to.
        filters: one a filter, in order.
        passed: share of the chosen items that were candidates and passed all filters.
        orders: the sources' order, the ranker's where there is one, then that after each re-ranker. Where no
            candidate was left, the order is that of the most popular items, which stood in: these may hold
            a chosen item that was no candidate.
        reranked: what all re-rankers together did to the order they were given, by metric.
        has_ranker: whether anything was ranked.
        ms: by role and stage.
        answer_ms: of whole answers.
        num_fallbacks: how often the most popular items had to stand in.
        degraded: what went wrong, and how often.
    """

    surface: str
    num_moments: int
    num_eligible: int
    num_users: int
    num_unknown: int
    k: int
    sources: tuple[SourceFigures, ...]
    union: Interval
    candidates: Interval
    filters: tuple[FilterFigures, ...]
    passed: Interval
    orders: tuple[OrderFigures, ...]
    reranked: Mapping[str, Interval]
    has_ranker: bool
    ms: Mapping[tuple[str, str], Milliseconds]
    answer_ms: Milliseconds
    num_fallbacks: int
    degraded: Mapping[str, int]


def funnel_report(surface: str, seen: Replayed, *, seed: int = 0) -> FunnelReport:
    """Sum a replay up.

    Args:
        surface: the surface's name.
        seen: its replay.
        seed: of the intervals.

    Raises:
        OfflineError: when the moments are of fewer than two users: then there is no interval.
    """
    users = seen.moments.groups
    num_users = check_users(surface, seen.moments)

    def share(values: NDArray[np.bool_]) -> Interval:
        return bootstrap_mean(values.astype(np.float64), users, seed=seed)

    def gain(after: NDArray[np.float64], before: NDArray[np.float64]) -> Interval:
        return paired_difference(after, before, users, seed=seed)

    ms = {stage: _milliseconds(values) for stage, values in seen.ms.items()}
    by_order = [_metrics(seen.ranks[:, place], seen.k) for place in range(len(seen.orders))]
    orders = []
    for place, name in enumerate(seen.orders):
        orders.append(
            OrderFigures(
                name,
                {metric: bootstrap_mean(by_order[place][metric], users, seed=seed) for metric in METRICS},
                {metric: gain(by_order[place][metric], by_order[place - 1][metric]) for metric in METRICS}
                if place
                else {},
                _of_order(ms, name, is_ranker=seen.has_ranker and place == 1),
            )
        )
    return FunnelReport(
        surface=surface,
        num_moments=len(users),
        num_eligible=seen.moments.num_eligible,
        num_users=num_users,
        num_unknown=int(np.count_nonzero(~seen.is_known)),
        k=seen.k,
        sources=tuple(
            SourceFigures(
                name,
                share(seen.proposed[:, place]),
                share(np.where(seen.proposed.sum(axis=1) == 1, seen.proposed[:, place], False)),
                float(seen.num_proposed[:, place].mean()),
                ms["source", name],
            )
            for place, name in enumerate(seen.sources)
        ),
        union=share(np.asarray(seen.proposed.any(axis=1))),
        candidates=share(seen.is_candidate),
        filters=tuple(_filter(seen, place, ms, seed) for place in range(len(seen.filters))),
        passed=share(seen.is_candidate & ~seen.removed.any(axis=1)),
        orders=tuple(orders),
        reranked={
            metric: gain(by_order[-1][metric], by_order[int(seen.has_ranker)][metric]) for metric in METRICS
        },
        has_ranker=seen.has_ranker,
        ms=ms,
        answer_ms=_milliseconds(seen.answer_ms),
        num_fallbacks=seen.num_fallbacks,
        degraded=seen.degraded,
    )


def _filter(
    seen: Replayed, place: int, ms: Mapping[tuple[str, str], Milliseconds], seed: int
) -> FilterFigures:
    arrived = np.flatnonzero(seen.arrived[:, place])
    users, removed = seen.moments.groups[arrived], seen.removed[arrived, place]
    enough = len(np.unique(users)) >= 2
    return FilterFigures(
        seen.filters[place],
        bootstrap_mean(removed.astype(np.float64), users, seed=seed) if enough else None,
        int(np.count_nonzero(removed)),
        float(seen.num_in[:, place].mean()),
        float(seen.num_removed[:, place].mean()),
        ms.get(("filter", seen.filters[place]), Milliseconds(0.0, 0.0)),
    )


def _metrics(ranks: NDArray[np.int64], k: int) -> dict[str, NDArray[np.float64]]:
    """Return each of `METRICS` at each moment, float64 [M]; rank 0 is nowhere."""
    found, shown = ranks > 0, (ranks > 0) & (ranks <= k)
    safe = np.where(found, ranks, 1)
    return {
        "hr": shown.astype(np.float64),
        "ndcg": np.where(shown, 1.0 / np.log2(safe + 1.0), 0.0),
        "mrr": np.where(found, 1.0 / safe, 0.0),
    }


def _of_order(
    ms: Mapping[tuple[str, str], Milliseconds], name: str, *, is_ranker: bool
) -> Milliseconds | None:
    if is_ranker:  # the trace calls a ranker by the kinds of its models
        return next((found for (role, _), found in ms.items() if role == "ranker"), None)
    return ms.get(("reranker", name))


def _milliseconds(values: NDArray[np.float64]) -> Milliseconds:
    ran = values[~np.isnan(values)]
    median, p99 = np.quantile(ran, (0.5, 0.99))
    return Milliseconds(float(median), float(p99))
