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
        self.labels = list(labels)
        self._impression = app.impression.event_name
        self._user, self._item = app.user_entity.entity_name, app.item_entity.entity_name
        self._kinds = [self._impression, *sorted({label.event.event_name for label in labels})]
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
        kinds = [kind for kind in self._kinds if kind in events]
        if not kinds:
            return {}
        columns = [self._columns(kind, events[kind], reader) for kind in kinds]
        if len(kinds) == 1:
            converted, impression_seqs = self.attribution.apply(*columns[0])
        else:
            merged = [np.concatenate(parts) for parts in zip(*columns, strict=True)]
            order = np.argsort(merged[-1], kind="stable")  # by seq
            converted, impression_seqs = np.empty(len(order), np.int64), np.empty(len(order), np.int64)
            converted[order], impression_seqs[order] = self.attribution.apply(
                *(column[order] for column in merged)
            )
        if not np.bitwise_or.reduce(converted):
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

    def _columns(
        self, kind: str, rows: Rows, reader: Callable[[Rows], Read]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return what `Attribution.apply` takes, in its order."""
        shown = np.zeros(len(rows), np.bool_)
        shown[:] = kind == self._impression
        bits = self._bits(kind, rows, reader)
        return shown, bits, rows.ids[self._user], rows.ids[self._item], rows.times_us, rows.seqs

    def _bits(self, kind: str, rows: Rows, reader: Callable[[Rows], Read]) -> np.ndarray:
        bits = np.zeros(len(rows), np.int64)
        for number, label in enumerate(self.labels):
            if label.event.event_name != kind:
                continue
            condition = label.condition
            met = True if condition is None else evaluate(condition, reader(rows)).true()
            np.bitwise_or(bits, 1 << number, out=bits, where=met)
        return bits
