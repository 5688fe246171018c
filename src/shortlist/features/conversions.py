"""Labels joined to impressions: which impression an event turned positive, and when.

One class serves the online fold, the offline labels and the outcome streams of rates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from shortlist.declare.app import App
from shortlist.declare.labels import Label
from shortlist.features.evaluate import Read, evaluate
from shortlist.features.kernels.attribution import Attribution
from shortlist.features.rows import Rows


@dataclass(frozen=True)
class Conversions:
    """The events that turned an impression positive, and the seq int64[N] of that impression."""

    rows: Rows
    impression_seqs: np.ndarray


class LabelJoin:
    """Attributes events to impressions as they come, each label within its own window."""

    def __init__(self, labels: Sequence[Label]) -> None:
        self.labels = list(labels)
        # Without labels nothing is ever attributed; the kernel wants one window all the same.
        self.within_us = [label.within_us for label in self.labels] or [1]
        self.attribution = Attribution(self.within_us)

    def join(
        self, events: Mapping[str, Rows], app: App, reader: Callable[[Rows], Read]
    ) -> dict[str, Conversions]:
        """Return the conversions of each label, by its name, among the rows of one batch.

        Args:
            events: rows by event name, the impressions among them.
            app: the declaration.
            reader: gives the columns of rows, for the labels' conditions.
        """
        if not self.labels:
            return {}
        impression = app.impression.event_name
        kinds = [impression, *sorted({label.event.event_name for label in self.labels})]
        kinds = [kind for kind in kinds if kind in events]
        if not kinds:
            return {}
        bits = [self._bits(kind, events[kind], reader) for kind in kinds]
        order = np.argsort(np.concatenate([events[kind].seqs for kind in kinds]), kind="stable")

        def merged(parts: Sequence[np.ndarray]) -> np.ndarray:
            return np.ascontiguousarray(np.concatenate(parts)[order])

        user, item = app.user_entity.entity_name, app.item_entity.entity_name
        converted = np.empty(len(order), np.int64)
        impression_seqs = np.empty(len(order), np.int64)
        converted[order], impression_seqs[order] = self.attribution.apply(
            merged([np.full(len(events[kind]), kind == impression) for kind in kinds]),
            merged(bits),
            merged([events[kind].ids[user] for kind in kinds]),
            merged([events[kind].ids[item] for kind in kinds]),
            merged([events[kind].times_us for kind in kinds]),
            merged([events[kind].seqs for kind in kinds]),
        )
        starts = np.cumsum([0] + [len(events[kind]) for kind in kinds])
        found = {}
        for number, label in enumerate(self.labels):
            if label.event.event_name not in kinds:
                continue
            place = kinds.index(label.event.event_name)
            part = slice(starts[place], starts[place + 1])
            hit = (converted[part] >> number) & 1 == 1
            if hit.any():
                rows = events[label.event.event_name].take(hit)
                found[label.label_name] = Conversions(rows, impression_seqs[part][hit])
        return found

    def _bits(self, kind: str, rows: Rows, reader: Callable[[Rows], Read]) -> np.ndarray:
        bits = np.zeros(len(rows), np.int64)
        for number, label in enumerate(self.labels):
            if label.event.event_name != kind:
                continue
            met = (
                np.ones(len(rows), bool)
                if label.condition is None
                else np.broadcast_to(evaluate(label.condition, reader(rows)).true(), len(rows))
            )
            bits |= met.astype(np.int64) << number
        return bits
