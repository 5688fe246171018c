"""The answer: the slate that is shown, and the evidence that is logged with it.

k places, F feature columns, P labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.features.kernels.arrays import as_int64
from shortlist.pipeline.passage import FALLBACK
from shortlist.pipeline.record import Record
from shortlist.pipeline.trace import Trace
from shortlist.stages.contract import Items, Query
from shortlist.stages.kernels import places_among


@dataclass(frozen=True)
class Answer:
    """What one request gets; all arrays have one row a place, fewer than `k` when little is left.

    Args:
        items: int64 [k], codes of the state.
        scores: float64 [k]: the expected value, or 1 / rank where nothing was ranked; -inf where a
            score was not finite.
        parts: float32 [k, P], the probability of each of `labels`; P is 0 where nothing was ranked.
        labels: what the columns of `parts` predict.
        features: float32 [k, F], as the ranker read them; F is 0 where none were read.
        propensities: float64 [k] in (0, 1].
        positions: int64 [k], from 1.
        sources: the names of the sources that proposed each item, or `FALLBACK`.
        as_of_seq: the log position of the features; of the state, where none were read.
        time_us: the moment of the features: the request's, or right after the last record that came
            between. Both together are what it takes to compute the features again from the log.
        degraded: what went wrong, in words; empty when all is well.
        trace: what each stage did.
    """

    items: Items
    scores: NDArray[np.float64]
    parts: NDArray[np.float32]
    labels: tuple[str, ...]
    features: NDArray[np.float32]
    propensities: NDArray[np.float64]
    positions: Items
    sources: tuple[tuple[str, ...], ...]
    as_of_seq: int
    time_us: int
    degraded: tuple[str, ...]
    trace: Trace

    def __len__(self) -> int:
        return len(self.items)


def answer(record: Record, query: Query, source_names: Sequence[str], labels: Sequence[str]) -> Answer:
    """Take the first k places of a record's last slate, with their evidence."""
    slate = record.slates[-1][1]
    items = slate.items[: query.k]
    ranked = record.ranked
    if ranked is None:
        features = parts = np.empty((len(items), 0), np.float32)
        # Without the lock, which a stage may hold still. The position first: the moment is then after it.
        as_of_seq = query.state.last_seq
        time_us = query.state.moment(query.time_us)
    else:
        rows = places_among(as_int64(items), as_int64(ranked.items))
        features, parts = ranked.features[rows], ranked.parts[rows]
        as_of_seq, time_us = ranked.as_of_seq, ranked.time_us
    masks = slate.sources[: query.k].tolist()
    names = {mask: _names(mask, source_names) for mask in set(masks)}
    return Answer(
        items=items,
        scores=slate.scores[: query.k],
        parts=parts,
        labels=tuple(labels) if parts.shape[1] else (),
        features=features,
        propensities=slate.propensities[: query.k],
        positions=np.arange(1, len(items) + 1),
        sources=tuple(names[mask] for mask in masks),
        as_of_seq=as_of_seq,
        time_us=time_us,
        degraded=tuple(record.degraded),
        trace=Trace(tuple(record.stages), record.elapsed_ms),
    )


def _names(mask: int, source_names: Sequence[str]) -> tuple[str, ...]:
    if mask == 0:
        return (FALLBACK,)
    return tuple(name for number, name in enumerate(source_names) if mask >> number & 1)
