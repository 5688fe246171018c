"""The past once more, through the funnel that serves: what it would have answered, and what became of it.

The log is folded record by record into the state that a server keeps. At each moment the state holds the
records before it and no other, and the funnel of a release of before the period answers.

M moments, S sources, F filters, O orders of the candidates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shortlist.declare.app import App
from shortlist.features.online import OnlineState
from shortlist.features.rows import after, upto
from shortlist.log.columns import Batch
from shortlist.log.protocol import EventLog
from shortlist.models.contract import Progress
from shortlist.offline.replay.moments import Moments
from shortlist.pipeline.artifacts import FunnelArtifacts
from shortlist.pipeline.funnel import Funnel
from shortlist.pipeline.named import stage_names
from shortlist.pipeline.record import Record
from shortlist.stages.contract import Items, Query

SOURCE_ORDER = "sources' order"
RANKER_ORDER = "ranker"
_BATCH_ROWS = 20_000


@dataclass(frozen=True)
class Replayed:
    """What became of the chosen item at each of M moments.

    Attributes:
        moments: when, who, and what they chose.
        k: how many items are shown.
        sources: the names of the S sources.
        filters: the names of the F filters.
        has_ranker: whether anything was ranked.
        orders: the names of the O orders: the sources', the ranker's where there is one, that after each
            re-ranker.
        is_known: bool [M], whether the log knew the item by then.
        proposed: bool [M, S], whether the source proposed it.
        is_candidate: bool [M], whether it was among the candidates that went to the filters.
        num_proposed: int64 [M, S], how many items the source proposed.
        arrived: bool [M, F], whether it came as far as the filter.
        removed: bool [M, F], whether the filter dropped it.
        num_in: int64 [M, F], how many items came as far as the filter.
        num_removed: int64 [M, F], how many the filter dropped.
        ranks: int64 [M, O], its rank from 1; 0 where it was not among the candidates any more.
        ms: by role and stage, float64 [M]: how long it took; NaN where it did not run.
        answer_ms: float64 [M], how long the whole answer took.
        num_fallbacks: how often the most popular items had to stand in.
        degraded: what went wrong, and how often.
    """

    moments: Moments
    k: int
    sources: tuple[str, ...]
    filters: tuple[str, ...]
    has_ranker: bool
    orders: tuple[str, ...]
    is_known: NDArray[np.bool_]
    proposed: NDArray[np.bool_]
    is_candidate: NDArray[np.bool_]
    num_proposed: Items
    arrived: NDArray[np.bool_]
    removed: NDArray[np.bool_]
    num_in: Items
    num_removed: Items
    ranks: Items
    ms: Mapping[tuple[str, str], NDArray[np.float64]] = field(repr=False)
    answer_ms: NDArray[np.float64] = field(repr=False)
    num_fallbacks: int
    degraded: Mapping[str, int]


class Walk:
    """A state on its way through a log: it has folded the records up to a position, and none beyond."""

    def __init__(self, app: App, log: EventLog, start_seq: int, progress: Progress | None = None) -> None:
        """Fold the log up to the position `start_seq`."""
        self.state = OnlineState(app)
        for batch in log.batches(upto_seq=start_seq):
            self.state.apply(batch)
            if progress is not None:
                progress(self.state.last_seq, start_seq)
        self._rest: Iterator[Batch] = log.batches(start_seq, max_rows=_BATCH_ROWS)
        self._batch: Batch | None = None

    def go(self, seq: int) -> None:
        """Fold on, up to a position that is not before the last one."""
        while self.state.last_seq < seq:
            if self._batch is None:
                self._batch = next(self._rest)
            batch = self._batch
            if batch.last_seq <= seq:
                self.state.apply(batch)
                self._batch = None
            else:
                self.state.apply(upto(batch, seq))
                self._batch = after(batch, seq)


def replay(
    walk: Walk,
    artifacts: Mapping[str, FunnelArtifacts],
    moments: Mapping[str, Moments],
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Replayed]:
    """Answer the requests of some surfaces' moments as they would have been answered then.

    The chosen item of a moment is the one item that counts as relevant; the user has had no event with it
    before. No stage has a deadline, so that a slow machine does not change the figures.

    Args:
        walk: a state that has folded the log up to where the test period begins; afterwards it has come as
            far as the last moment.
        artifacts: what a release of that position holds for each surface.
        moments: by surface, none before that position.
        seed: of what the funnel explores.
        progress: told of the moments done.
    """
    app = walk.state.app
    surfaces = {name: app.surfaces[name] for name in moments}
    funnels = {
        name: Funnel.build(app, surface, artifacts[name], walk.state) for name, surface in surfaces.items()
    }
    seen = {name: _Seen(funnels[name], moments[name], bool(artifacts[name].rankers)) for name in moments}
    asked = [(int(seq), name, row) for name, one in moments.items() for row, seq in enumerate(one.as_of_seqs)]
    asked.sort(key=lambda each: each[0])
    for name in dict.fromkeys(name for _, name, _ in asked):  # once before, for it may compile
        funnels[name].inspect(query_at(walk.state, moments[name], 0, surfaces[name].k, seed))
    for done, (seq, name, row) in enumerate(asked):
        walk.go(seq)
        query = query_at(walk.state, moments[name], row, surfaces[name].k, seed)
        seen[name].note(row, query, funnels[name].inspect(query))
        if progress is not None:
            progress(done + 1, len(asked))
    return {name: one.replayed() for name, one in seen.items()}


def query_at(state: OnlineState, moments: Moments, row: int, k: int, seed: int) -> Query:
    """Return the request of a moment, for a state that has come that far or further."""
    return Query(
        user=state.users.vocabulary.code(moments.users[row]),
        k=k,
        time_us=state.moment(int(moments.times_us[row])),
        context=moments.contexts[row],
        seed=int(np.random.default_rng((seed, row)).integers(1 << 60)),
        state=state,
    )


class _Seen:
    """Reads the records of one surface's answers, one after the other."""

    def __init__(self, funnel: Funnel, moments: Moments, has_ranker: bool) -> None:
        surface, self._has_ranker = funnel.surface, has_ranker
        self._moments, self._k = moments, surface.k
        self._sources, self._filters = funnel.source_names, tuple(stage_names(surface.filters))
        ranked = (RANKER_ORDER,) if has_ranker else ()
        self._orders = (SOURCE_ORDER, *ranked, *stage_names(surface.rerank))
        num, num_filters = len(moments), len(self._filters)
        self._is_known, self._is_candidate = np.zeros(num, bool), np.zeros(num, bool)
        self._proposed = np.zeros((num, len(self._sources)), bool)
        self._num_proposed = np.zeros((num, len(self._sources)), np.int64)
        self._arrived, self._removed = np.zeros((num, num_filters), bool), np.zeros((num, num_filters), bool)
        self._num_in = np.zeros((num, num_filters), np.int64)
        self._num_removed = np.zeros((num, num_filters), np.int64)
        self._ranks = np.zeros((num, len(self._orders)), np.int64)
        self._ms: dict[tuple[str, str], NDArray[np.float64]] = {}
        self._answer_ms = np.zeros(num)
        self._num_fallbacks = 0
        self._degraded: Counter[str] = Counter()

    def note(self, row: int, query: Query, record: Record) -> None:
        """Read what became of a moment's chosen item."""
        item = query.state.items.vocabulary.code(self._moments.items[row])
        self._is_known[row] = item >= 0
        for number, items in record.proposals.items():
            self._proposed[row, number] = item in items
            self._num_proposed[row, number] = len(items)
        self._is_candidate[row] = item in record.candidates.items
        self._note_filters(row, item, record)
        self._note_orders(row, item, record)
        for stage in record.stages:
            ms = self._ms.setdefault((stage.role, stage.stage), np.full(len(self._moments), np.nan))
            ms[row] = np.nan_to_num(ms[row]) + stage.elapsed_ms
        self._answer_ms[row] = record.elapsed_ms
        self._num_fallbacks += record.is_fallback
        self._degraded.update(record.degraded)

    def replayed(self) -> Replayed:
        """Return all of it."""
        return Replayed(
            self._moments, self._k, self._sources, self._filters,
            self._has_ranker, self._orders,
            self._is_known, self._proposed, self._is_candidate, self._num_proposed,
            self._arrived, self._removed, self._num_in, self._num_removed,
            self._ranks, self._ms, self._answer_ms, self._num_fallbacks, dict(self._degraded),
        )  # fmt: skip

    def _note_filters(self, row: int, item: int, record: Record) -> None:
        kept = record.candidates.items
        for number, (_, removed) in enumerate(record.removed[: len(self._filters)]):
            if not len(kept):  # what follows is of the fallback, which stands in for the candidates
                return
            self._arrived[row, number], self._removed[row, number] = item in kept, item in removed
            self._num_in[row, number], self._num_removed[row, number] = len(kept), len(removed)
            kept = kept[~np.isin(kept, removed)]

    def _note_orders(self, row: int, item: int, record: Record) -> None:
        slates = [slate.items for _, slate in record.slates]
        if self._has_ranker:
            slates.insert(0, slates[0] if record.ranked is None else record.ranked.items)
        for number, items in enumerate(slates):
            found = np.flatnonzero(items == item)
            self._ranks[row, number] = found[0] + 1 if len(found) else 0
        self._ranks[row, len(slates) :] = self._ranks[row, len(slates) - 1]  # a slate of nothing stops there
