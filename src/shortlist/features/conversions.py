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

    def __init__(self, labels: Sequence[Label], app: App) -> None:
        self.labels, self._app = list(labels), app
        self._kinds = [app.impression.event_name, *sorted({label.event.event_name for label in labels})]
        # Without labels nothing is ever attributed; the kernel wants one window all the same.
        self.within_us = [label.within_us for label in self.labels] or [1]
        self.attribution = Attribution(self.within_us)

    def join(self, events: Mapping[str, Rows], reader: Callable[[Rows], Read]) -> dict[str, Conversions]:
        """Return the conversions of each label, by its name, among the rows of one batch.

        Args:
            events: rows by event name, the impressions among them.
            reader: gives the columns of rows, for the labels' conditions.
        """
        if not self.labels:
            return {}
        app, impression = self._app, self._app.impression.event_name
        kinds = [kind for kind in self._kinds if kind in events]
        if not kinds:
            return {}
        bits = [self._bits(kind, events[kind], reader) for kind in kinds]
        shown = [np.full(len(events[kind]), kind == impression) for kind in kinds]
        user, item = app.user_entity.entity_name, app.item_entity.entity_name
        columns = [
            bits,
            [events[kind].ids[user] for kind in kinds],
            [events[kind].ids[item] for kind in kinds],
            [events[kind].times_us for kind in kinds],
            [events[kind].seqs for kind in kinds],
        ]
        if len(kinds) == 1:
            converted, impression_seqs = self.attribution.apply(shown[0], *(parts[0] for parts in columns))
        else:
            order = np.argsort(np.concatenate(columns[-1]), kind="stable")
            merged = (np.concatenate(parts)[order] for parts in columns)
            converted, impression_seqs = np.empty(len(order), np.int64), np.empty(len(order), np.int64)
            converted[order], impression_seqs[order] = self.attribution.apply(
                np.concatenate(shown)[order], *merged
            )
        if not converted.any():
            return {}
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
