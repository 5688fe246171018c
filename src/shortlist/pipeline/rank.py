"""The third phase: the candidates' features, then their scores; without either, the sources' order.

C candidates, F feature columns, P labels.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shortlist.features.encoders import Encoding
from shortlist.pipeline.crew import CLOSED, NO_TIME, Lane, late, told
from shortlist.pipeline.leg import Leg, Place, TakenOver
from shortlist.pipeline.merge import Candidates
from shortlist.pipeline.record import Ranked, Record
from shortlist.pipeline.trace import StageTrace
from shortlist.stages.contract import Query, Slate
from shortlist.stages.rankers.expected_value import ExpectedValue


@dataclass(frozen=True)
class Ranker:
    """A release's scorer, its name, the encoding of the features it reads, and the lane of both."""

    name: str
    scorer: ExpectedValue
    encoding: Encoding
    lane: Lane = field(default_factory=Lane)


class Ranking:
    """One list on its way through features and ranker; features and scores are each published as a whole."""

    def __init__(self, ranker: Ranker, candidates: Candidates, record: Record) -> None:
        self._ranker, self._candidates, self._record = ranker, candidates, record
        self._scores: NDArray[np.float64] | None = None

    @property
    def slate(self) -> Slate:
        """The candidates, best first, once the run has ended."""
        slate = None if self._scores is None else by_score(self._candidates, self._scores)
        return slate if slate is not None and slate.num_clean else in_source_order(self._candidates)

    def run(self, leg: Leg, query: Query, deadline_s: float) -> None:
        """Read the features and score them, unless the time for it is over."""
        trouble = None if self._ranker.lane.is_open else CLOSED
        since_s = time.perf_counter()
        if trouble is None and since_s >= deadline_s:
            trouble = NO_TIME
        if trouble is None:
            try:
                self._run(leg, query)
            except TakenOver:
                raise
            except BaseException as error:
                trouble = told(error)
        if trouble is not None:
            with leg:
                self._fail(trouble, 1000 * (time.perf_counter() - since_s))

    def give_up(self, place: Place) -> None:
        """Note that features or ranker, in which the worker is stuck, are late."""
        self._fail(late(place.since_s), 1000 * (time.perf_counter() - place.since_s))

    def _run(self, leg: Leg, query: Query) -> None:
        state, items = query.state, self._candidates.items
        name, count = self._ranker.name, len(items)
        started_s = leg.enter(self._ranker.lane)
        with state.lock:  # the features, and the log position and moment they are logged with, are as one
            # A record may have come since the request did: the moment is after it, or the online sums
            # would hold it and those computed from the log would not.
            as_of_seq, time_us = state.last_seq, state.moment(query.time_us)
            values = state.features(query.user, items, time_us, query.context, self._ranker.encoding)
        featured_s = time.perf_counter()
        no_parts = np.empty((count, 0), np.float32)
        with leg:
            self._record.ranked = Ranked(items, values, no_parts, as_of_seq, time_us)
            elapsed_ms = 1000 * (featured_s - started_s)
            self._record.stages.append(StageTrace("features", "features", count, count, {}, elapsed_ms))
        featured_s = leg.enter(self._ranker.lane)
        scores, parts = self._ranker.scorer.score(values)
        if scores.shape != items.shape:
            raise TypeError(f"expected one score per candidate, {count}, received {list(scores.shape)}")
        num_lost = count - int(np.count_nonzero(np.isfinite(scores)))
        note = f"{num_lost} of {count} scores are not finite" if num_lost else ""
        elapsed_ms = 1000 * (time.perf_counter() - featured_s)
        with leg:
            self._scores = scores
            self._record.ranked = Ranked(items, values, parts, as_of_seq, time_us)
            self._record.stages.append(StageTrace(name, "ranker", count, count, {}, elapsed_ms, note))
            if note:
                self._record.degraded.append(f"ranker {name}: {note}")

    def _fail(self, trouble: str, elapsed_ms: float) -> None:
        name, count = self._ranker.name, len(self._candidates)
        stage, role = ("features", "features") if self._record.ranked is None else (name, "ranker")
        self._record.degraded.append(f"{role if stage == role else f'{role} {stage}'}: {trouble}")
        note = f"{trouble}; the sources' order stands"
        self._record.stages.append(StageTrace(stage, role, count, count, {}, elapsed_ms, note))


def by_score(candidates: Candidates, scores: NDArray[np.float64]) -> Slate:
    """Return the candidates by falling score; those whose score is not finite sink and are not clean."""
    is_finite = np.isfinite(scores)
    num_clean = int(np.count_nonzero(is_finite))
    sunk = scores if num_clean == len(scores) else np.where(is_finite, scores, -np.inf)
    order = (-sunk).argsort(kind="stable")
    return Slate(
        candidates.items[order], sunk[order], candidates.sources[order], np.ones(len(order)), num_clean
    )


def in_source_order(candidates: Candidates) -> Slate:
    """Return the candidates as they were merged; the score is one over the rank."""
    count = len(candidates)
    scores = 1.0 / np.arange(1, count + 1)
    return Slate(candidates.items, scores, candidates.sources, np.ones(count), count)
