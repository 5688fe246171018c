"""The first phase: all sources at once, each on a lane of its own; who is late or broken is left out.

C candidates.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

import numpy as np

from shortlist.pipeline.crew import CLOSED, Call, Crew, Lane, Outcome, late
from shortlist.pipeline.merge import merge
from shortlist.pipeline.named import Named
from shortlist.pipeline.record import Record
from shortlist.pipeline.trace import StageTrace
from shortlist.stages.contract import Items, Query, Source


class Retrieve:
    """The sources of a surface and how many candidates may pass."""

    def __init__(self, sources: Sequence[Named[Source]], width: int, crew: Crew) -> None:
        self.sources = tuple(sources)
        self._width = width
        self._crew = crew
        self._lanes = [Lane() for _ in sources]

    def run(self, query: Query, record: Record, deadline_s: float) -> None:
        """Ask every source and merge what came in time."""
        calls = [
            self._crew.start(partial(_proposed, source.run, query)) if lane.is_open else None
            for lane, source in zip(self._lanes, self.sources, strict=True)
        ]
        for number, (source, lane, call) in enumerate(zip(self.sources, self._lanes, calls, strict=True)):
            outcome = _outcome(call, lane, deadline_s)
            items = outcome.value
            if items is None:
                record.degraded.append(f"source {source.name}: {outcome.trouble}")
            else:
                record.proposals[number] = items
            num_out = 0 if items is None else len(items)
            record.stages.append(
                StageTrace(source.name, "source", 0, num_out, {}, outcome.elapsed_ms, outcome.trouble or "")
            )
        started_s = time.perf_counter()
        record.candidates, record.cut = merge(record.proposals, self._width)
        num_in = sum(len(items) for items in record.proposals.values())
        num_twice = num_in - len(record.candidates) - len(record.cut)
        reasons = {"proposed twice": num_twice, "over the width": len(record.cut)}
        removed = {reason: count for reason, count in reasons.items() if count}
        elapsed_ms = 1000 * (time.perf_counter() - started_s)
        record.stages.append(
            StageTrace("merge", "merge", num_in, len(record.candidates), removed, elapsed_ms)
        )


def _outcome(call: Call[Items] | None, lane: Lane, deadline_s: float) -> Outcome[Items]:
    if call is None:
        return Outcome(None, CLOSED, 0.0)
    if call.wait(deadline_s):
        return call.outcome()
    call.leave(lane)
    return Outcome(None, late(call.started_s), 1000 * (time.perf_counter() - call.started_s))


def _proposed(propose: Source, query: Query) -> Items:
    items = np.asarray(propose(query).items, np.int64)
    if items.ndim != 1:
        raise TypeError(f"expected a list of items, received an array of shape {list(items.shape)}")
    # A code that the state does not know would break everybody else's candidates too.
    known = (items >= 0) & (items < len(query.state.items))
    return items if known.all() else items[known]
