"""The first phase: the sources; who is late or broken is left out.

Slow sources run side by side, each on a thread of its own; the quick ones, one after the other, on the
request's own thread meanwhile. Which is which is measured, see `pace`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

import numpy as np

from shortlist.pipeline.crew import CLOSED, Call, Crew, late, told
from shortlist.pipeline.leg import Leg, Place
from shortlist.pipeline.merge import merge
from shortlist.pipeline.named import Named
from shortlist.pipeline.pace import Pace
from shortlist.pipeline.record import Record
from shortlist.pipeline.trace import StageTrace
from shortlist.stages.contract import Items, Query, Source

_WEIGHT = 0.02  # of one request in what is usual


class Retrieve:
    """The sources of a surface, the pace of each, and how many candidates may pass."""

    def __init__(self, sources: Sequence[Named[Source]], width: int) -> None:
        self.sources = tuple(sources)
        self.width = width
        self.paces = tuple(Pace() for _ in sources)
        self._usual: float | None = None

    def narrowed(self, share: float) -> int:
        """Return the width that lets a share of the candidates pass that are usually proposed."""
        if share >= 1.0 or self._usual is None:
            return self.width
        return min(self.width, int(share * self._usual))

    def proposed(self, num_candidates: int) -> None:
        """Count how many different items the sources proposed to one request."""
        usual = self._usual
        self._usual = num_candidates if usual is None else usual + _WEIGHT * (num_candidates - usual)


class Retrieval:
    """One request's way through the sources; what each brought is published as a whole."""

    def __init__(self, retrieve: Retrieve, width: int, record: Record) -> None:
        self._retrieve, self._width, self._record = retrieve, width, record
        self._calls: dict[int, Call[Items]] = {}
        self._traces: dict[int, StageTrace] = {}
        self._asked = 0  # of the quick sources, those below this number have had their turn
        self._is_closed = False
        self._quick = [pace.is_quick for pace in retrieve.paces]

    def run(self, leg: Leg, query: Query, crew: Crew, deadline_s: float) -> None:
        """Ask every source that was not asked yet, and merge what came in time."""
        if not self._asked:
            self._start_slow(query, crew)
        for number in range(self._asked, len(self._quick)):
            self._asked = number + 1
            if self._quick[number]:
                self._ask(number, leg, query)
        with leg:
            leg.place = None  # what it waits for from here on has a deadline of its own
        try:
            for number, call in self._calls.items():
                self._wait(number, call, leg, deadline_s)
        finally:  # when the request has ended meanwhile, too: a source that hangs is asked no more
            for number, call in self._calls.items():
                call.leave(self._retrieve.sources[number].lane)
        self._merge(leg)

    def _wait(self, number: int, call: Call[Items], leg: Leg, deadline_s: float) -> None:
        if call.wait(deadline_s):
            outcome = call.outcome()
            self._retrieve.paces[number].took(outcome.elapsed_ms)
            with leg:
                self._note(number, outcome.value, outcome.trouble, outcome.elapsed_ms)
        else:
            with leg:
                self._note(number, None, late(call.started_s), _ms_since(call.started_s))

    def give_up(self, place: Place) -> None:
        """Note that the source in whose place the worker is stuck is late."""
        number = self._asked - 1
        self._retrieve.paces[number].hung()
        self._note(number, None, late(place.since_s), _ms_since(place.since_s))

    def close(self) -> None:
        """Write down what the sources did, in their order, once."""
        if self._is_closed:
            return
        self._is_closed = True
        for _, trace in sorted(self._traces.items()):
            self._record.stages.append(trace)
            if trace.note:
                self._record.degraded.append(f"source {trace.stage}: {trace.note}")

    def _start_slow(self, query: Query, crew: Crew) -> None:
        for number, source in enumerate(self._retrieve.sources):
            if not source.lane.is_open:
                self._quick[number] = False
                self._note(number, None, CLOSED, 0.0)
            elif not self._quick[number]:
                self._calls[number] = crew.start(partial(_proposed, source.run, query))

    def _ask(self, number: int, leg: Leg, query: Query) -> None:
        source = self._retrieve.sources[number]
        since_s = leg.enter(source.lane)
        items, trouble = None, None
        try:
            items = _proposed(source.run, query)
        except BaseException as error:  # whatever a stage throws, even SystemExit, is the stage's trouble
            trouble = told(error)
        elapsed_ms = _ms_since(since_s)
        self._retrieve.paces[number].took(elapsed_ms)
        with leg:
            self._note(number, items, trouble, elapsed_ms)

    def _note(self, number: int, items: Items | None, trouble: str | None, elapsed_ms: float) -> None:
        if items is not None:
            self._record.proposals[number] = items
        num_out = 0 if items is None else len(items)
        name = self._retrieve.sources[number].name
        self._traces[number] = StageTrace(name, "source", 0, num_out, {}, elapsed_ms, trouble or "")

    def _merge(self, leg: Leg) -> None:
        since_s = time.perf_counter()
        proposals = dict(sorted(self._record.proposals.items()))
        candidates, cut = merge(proposals, self._width)
        num_in = sum(map(len, proposals.values()))
        self._retrieve.proposed(len(candidates) + len(cut))
        reasons = {"proposed twice": num_in - len(candidates) - len(cut), "over the width": len(cut)}
        removed = {reason: count for reason, count in reasons.items() if count}
        trace = StageTrace("merge", "merge", num_in, len(candidates), removed, _ms_since(since_s))
        with leg:
            self.close()
            self._record.candidates, self._record.cut = candidates, cut
            self._record.proposals = proposals
            self._record.stages.append(trace)


def _proposed(propose: Source, query: Query) -> Items:
    items = np.asarray(propose(query).items, np.int64)
    if items.ndim != 1:
        raise TypeError(f"expected a list of items, received an array of shape {list(items.shape)}")
    # A code that the state does not know would break everybody else's candidates too.
    num_known = len(query.state.items)
    if len(items) and items.view(np.uint64).max() >= num_known:  # where a code below 0 is a huge one
        return items[(items >= 0) & (items < num_known)]
    return items


def _ms_since(since_s: float) -> float:
    return 1000 * (time.perf_counter() - since_s)
