"""The third phase: the candidates' features, then their scores; without either, the sources' order.

C candidates, F feature columns, P labels.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.features.encoders import Encoding
from shortlist.pipeline.crew import Crew, Lane
from shortlist.pipeline.merge import Candidates
from shortlist.pipeline.named import Named
from shortlist.pipeline.record import Ranked, Record
from shortlist.pipeline.trace import StageTrace
from shortlist.stages.contract import Query, Slate
from shortlist.stages.rankers.expected_value import ExpectedValue


@dataclass(frozen=True)
class _Features:
    values: NDArray[np.float32]
    as_of_seq: int
    elapsed_ms: float


@dataclass(frozen=True)
class _Scores:
    scores: NDArray[np.float64]
    parts: NDArray[np.float32]
    elapsed_ms: float


class _Ranking:
    """How far the ranking came; it may be left behind, so each result is published as a whole."""

    features: _Features | None = None
    scored: _Scores | None = None

    def run(self, scorer: ExpectedValue, encoding: Encoding, query: Query, items: NDArray[np.int64]) -> None:
        state = query.state
        started_s = time.perf_counter()
        with state.lock:  # the features and the log position they are logged with are of one moment
            as_of_seq = state.last_seq
            values = state.features(query.user, items, query.time_us, query.context, encoding)
        featured_s = time.perf_counter()
        self.features = _Features(values, as_of_seq, 1000 * (featured_s - started_s))
        scores, parts = scorer.score(values)
        if scores.shape != items.shape:
            raise TypeError(f"expected one score per candidate, {len(items)}, received {list(scores.shape)}")
        self.scored = _Scores(scores, parts, 1000 * (time.perf_counter() - featured_s))


class Rank:
    """What scores a surface's candidates, and the encoding its features are made with."""

    def __init__(self, scorer: Named[ExpectedValue] | None, encoding: Encoding | None, crew: Crew) -> None:
        self.scorer = scorer
        self._encoding = encoding
        self._lane = Lane(crew)

    def run(self, candidates: Candidates, query: Query, record: Record, deadline_s: float) -> Slate:
        """Return the candidates, best first."""
        if self.scorer is None or self._encoding is None or not len(candidates):
            return in_source_order(candidates)
        name, scorer = self.scorer
        encoding, ranking = self._encoding, _Ranking()
        outcome = self._lane.attempt(
            lambda: ranking.run(scorer, encoding, query, candidates.items), deadline_s
        )
        # A late call goes on without us: what it publishes from here on is not this answer's.
        features, scored = ranking.features, None if outcome.trouble else ranking.scored
        count = len(candidates)
        if features is not None:
            record.stages.append(StageTrace("features", "features", count, count, {}, features.elapsed_ms))
            parts = np.empty((count, 0), np.float32) if scored is None else scored.parts
            record.ranked = Ranked(candidates.items, features.values, parts, features.as_of_seq)
        if scored is None:
            stuck = "features" if features is None else f"ranker {name}"
            role = "features" if features is None else "ranker"
            record.degraded.append(f"{stuck}: {outcome.trouble}")
            record.stages.append(
                StageTrace(
                    "features" if features is None else name, role, count, count, {},
                    outcome.elapsed_ms, f"{outcome.trouble}; the sources' order stands",
                )
            )  # fmt: skip
            return in_source_order(candidates)
        is_finite = np.isfinite(scored.scores)
        num_finite = int(np.count_nonzero(is_finite))
        note = "" if num_finite == count else f"{count - num_finite} of {count} scores are not finite"
        if note:
            record.degraded.append(f"ranker {name}: {note}")
        record.stages.append(StageTrace(name, "ranker", count, count, {}, scored.elapsed_ms, note))
        return by_score(candidates, scored.scores) if num_finite else in_source_order(candidates)


def by_score(candidates: Candidates, scores: NDArray[np.float64]) -> Slate:
    """Return the candidates by falling score; those whose score is not finite sink and are not clean."""
    is_finite = np.isfinite(scores)
    sunk = np.where(is_finite, scores, -np.inf)
    order = np.argsort(-sunk, kind="stable")
    return Slate(
        candidates.items[order],
        sunk[order],
        candidates.sources[order],
        np.ones(len(order)),
        int(np.count_nonzero(is_finite)),
    )


def in_source_order(candidates: Candidates) -> Slate:
    """Return the candidates as they were merged; the score is one over the rank."""
    count = len(candidates)
    return Slate(candidates.items, 1.0 / np.arange(1, count + 1), candidates.sources, np.ones(count), count)
