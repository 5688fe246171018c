"""A batch of the log as streams, one for each thing that is kept: what the offline path joins and reads."""

from __future__ import annotations

import numpy as np

from shortlist.features.batch import Fold, Resolution
from shortlist.features.resolve import Resolved, Resolver, Stream
from shortlist.log.columns import Batch


def resolve(resolver: Resolver, batch: Batch) -> Resolved:
    """Turn a batch into streams, and take its new ids, attributes and impressions in."""
    resolution = Resolution(resolver, batch)
    resolved = Resolved({}, {}, {}, resolution.updates, resolution.events, resolution.conversions)
    for fold in resolution.folds:
        _add_streams(resolved, fold)
    resolution.store_updates()
    return resolved


def _add_streams(resolved: Resolved, fold: Fold) -> None:
    use, keyed = fold.use, fold.keyed
    seqs, times_us = keyed.rows.seqs, keyed.rows.times_us
    values = {lanes: fold.values(lanes) for lanes in use.lanes}
    for one in use.tracks:
        resolved.tracks[one.number] = Stream(keyed.slots(one.space), seqs, times_us, values[one.lanes])
    for number, space in use.recencies:
        nothing = np.empty((len(seqs), 0), np.int64)
        resolved.recencies[number] = Stream(keyed.slots(space), seqs, times_us, nothing)
    for name, space in use.histories:
        items = keyed.keys[use.layout.item_row][:, None]
        resolved.histories[name] = Stream(keyed.slots(space), seqs, times_us, items)
