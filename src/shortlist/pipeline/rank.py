"""The third phase: the candidates' features, then their scores; without either, the sources' order.

C candidates, F feature columns, P labels.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.features.encoders import Encoding
from shortlist.pipeline.crew import CLOSED, Lane, told
from shortlist.pipeline.merge import Candidates
from shortlist.pipeline.record import Ranked, Record
from shortlist.pipeline.trace import StageTrace
from shortlist.stages.contract import Query, Slate
from shortlist.stages.rankers.expected_value import ExpectedValue


@dataclass(frozen=True)
class Ranker:
    """A release's scorer, its name, and the encoding of the features it reads."""

    name: str
    scorer: ExpectedValue
    encoding: Encoding


@dataclass(frozen=True)
class _Features:
    values: NDArray[np.float32]
    as_of_seq: int
    time_us: int
    elapsed_ms: float


@dataclass(frozen=True)
class _Scores:
    scores: NDArray[np.float64]
    parts: NDArray[np.float32]
    elapsed_ms: float


class Ranking:
    """One list on its way through features and ranker. A worker runs it; it may be left behind.

    Features and scores are each published as a whole.
    """

    def __init__(self, ranker: Ranker, lane: Lane, candidates: Candidates) -> None:
        self._ranker, self._lane, self._candidates = ranker, lane, candidates
        self._features: _Features | None = None
        self._scored: _Scores | None = None
        self.trouble: str | None = None
        self.started_s = time.perf_counter()

    @property
    def slate(self) -> Slate:
        """The candidates, best first, once the run has ended."""
        scored = self._scored
        if scored is None or not np.isfinite(scored.scores).any():
            return in_source_order(self._candidates)
        return by_score(self._candidates, scored.scores)

    def run(self, query: Query) -> None:
        """Read the features and score them."""
        if not self._lane.is_open:
            self.trouble = CLOSED
            return
        try:
            self._run(query)
        except BaseException as error:
            self.trouble = told(error)

    def _run(self, query: Query) -> None:
        state, items = query.state, self._candidates.items
        started_s = time.perf_counter()
        with state.lock:  # the features, and the log position and moment they are logged with, are as one
            # A record may have come since the request did: the moment is after it, or the online sums
            # would hold it and those computed from the log would not.
            as_of_seq, time_us = state.last_seq, state.moment(query.time_us)
            values = state.features(query.user, items, time_us, query.context, self._ranker.encoding)
        featured_s = time.perf_counter()
        self._features = _Features(values, as_of_seq, time_us, 1000 * (featured_s - started_s))
        scores, parts = self._ranker.scorer.score(values)
        if scores.shape != items.shape:
            raise TypeError(f"expected one score per candidate, {len(items)}, received {list(scores.shape)}")
        self._scored = _Scores(scores, parts, 1000 * (time.perf_counter() - featured_s))

    def report(self, record: Record, trouble: str | None) -> None:
        """Write down what happened; `trouble` says why the run did not end well, None when it did."""
        name, count = self._ranker.name, len(self._candidates)
        # A call that was left behind may still publish; then it is no longer this answer's.
        features, scored = self._features, None if trouble else self._scored
        if features is not None:
            record.stages.append(StageTrace("features", "features", count, count, {}, features.elapsed_ms))
            parts = np.empty((count, 0), np.float32) if scored is None else scored.parts
            record.ranked = Ranked(
                self._candidates.items, features.values, parts, features.as_of_seq, features.time_us
            )
        if scored is None:
            elapsed_ms = 1000 * (time.perf_counter() - self.started_s)
            stage, role = ("features", "features") if features is None else (name, "ranker")
            record.degraded.append(f"{role if stage == role else f'{role} {stage}'}: {trouble}")
            note = f"{trouble}; the sources' order stands"
            record.stages.append(StageTrace(stage, role, count, count, {}, elapsed_ms, note))
            return
        num_lost = count - int(np.count_nonzero(np.isfinite(scored.scores)))
        note = f"{num_lost} of {count} scores are not finite" if num_lost else ""
        if note:
            record.degraded.append(f"ranker {name}: {note}")
        record.stages.append(StageTrace(name, "ranker", count, count, {}, scored.elapsed_ms, note))


def by_score(candidates: Candidates, scores: NDArray[np.float64]) -> Slate:
    """Return the candidates by falling score; those whose score is not finite sink and are not clean."""
    is_finite = np.isfinite(scores)
    sunk = np.where(is_finite, scores, -np.inf)
    order = np.argsort(-sunk, kind="stable")
    num_clean = int(np.count_nonzero(is_finite))
    return Slate(
        candidates.items[order], sunk[order], candidates.sources[order], np.ones(len(order)), num_clean
    )


def in_source_order(candidates: Candidates) -> Slate:
    """Return the candidates as they were merged; the score is one over the rank."""
    count = len(candidates)
    scores = 1.0 / np.arange(1, count + 1)
    return Slate(candidates.items, scores, candidates.sources, np.ones(count), count)
