"""The offline engine: the folds of the online path for every past request at once, bit for bit.

Shape legend: N requests (or rows), F feature columns, W windows, L lanes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from shortlist.declare.app import App
from shortlist.declare.events import Event
from shortlist.declare.expressions import Expression
from shortlist.declare.features import Last
from shortlist.declare.labels import Label
from shortlist.features.encoders import Encoding, frequent_categories
from shortlist.features.entities import EntityTable
from shortlist.features.evaluate import evaluate
from shortlist.features.history import LogHistory, read_history
from shortlist.features.kept import max_age_us
from shortlist.features.kernels.point_in_time import last_items
from shortlist.features.key_space import key_text
from shortlist.features.matrix import feature_matrix
from shortlist.features.past_facts import PastFacts, Requests
from shortlist.features.rows import Rows
from shortlist.features.values import Values
from shortlist.features.vocabulary import Vocabulary
from shortlist.log.protocol import EventLog

_ROWS_AT_ONCE = 1 << 20
"""The window sums of a request take tens of times the memory of its row; only so many are held at once."""

__all__ = ["History", "Outcomes", "Requests"]


@dataclass(frozen=True)
class Outcomes:
    """A label's outcomes by impression: float32[N] in {0, 1}, and whether the window has passed, bool[N].

    A positive is mature at once; a negative only when its attribution window has ended.
    """

    positive: np.ndarray
    mature: np.ndarray


class History:
    """A log up to a sequence number, read once: what training sets, labels and backtests are made of."""

    def __init__(self, app: App, history: LogHistory) -> None:
        self.app = app
        self._history = history
        self.plan = history.resolver.plan

    @classmethod
    def read(
        cls,
        app: App,
        log: EventLog,
        upto_seq: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> History:
        """Read and resolve the log.

        Args:
            app: the declaration.
            log: the log.
            upto_seq: the last record to read; by default all.
            progress: called with (records read, records in all).
        """
        return cls(app, read_history(app, log, upto_seq, progress))

    @property
    def tables(self) -> dict[str, EntityTable]:
        """Attributes of every entity after the last record read, by its name."""
        return self._history.resolver.tables

    @property
    def users(self) -> Vocabulary:
        """Ids of those who choose."""
        return self.tables[self.app.user_entity.entity_name].vocabulary

    @property
    def items(self) -> Vocabulary:
        """Ids of what is chosen."""
        return self.tables[self.app.item_entity.entity_name].vocabulary

    @property
    def last_seq(self) -> int:
        """The last record read."""
        return self._history.last_seq

    @property
    def last_log_time_us(self) -> int:
        """The log time of the last record read."""
        return self._history.last_log_time_us

    @property
    def impressions(self) -> Rows | None:
        """The impressions with their logged fields, in log order; None when there is none."""
        return self._history.events.get(self.app.impression.event_name)

    def events(self, of: Event | Label) -> Rows | None:
        """Return an event's rows, or the events that turned a label's impressions positive."""
        if isinstance(of, Label):
            conversions = self._history.conversions.get(of.label_name)
            return conversions.rows if conversions is not None else None
        return self._history.events.get(of.event_name)

    def outcomes(self, label: Label) -> Outcomes:
        """Return the label's outcome of every impression, in the order of `impressions`."""
        impressions = self.impressions
        if impressions is None:
            return Outcomes(np.empty(0, np.float32), np.empty(0, bool))
        positive = np.zeros(len(impressions), np.float32)
        conversions = self._history.conversions.get(label.label_name)
        if conversions is not None:
            positive[np.searchsorted(impressions.seqs, conversions.impression_seqs)] = 1.0
        ended = impressions.times_us + label.within_us <= self.last_log_time_us
        return Outcomes(positive, ended | (positive == 1.0))

    def impression_requests(self) -> Requests:
        """Return the requests behind the impressions, as of what each had seen.

        An imported impression does not say what its server knew; it is given everything before it.
        """
        rows = self.impressions
        assert rows is not None, "the log holds no impressions"
        as_of, moment = rows.fields["as_of_seq"], rows.fields["request_time_us"]
        return Requests(
            rows.ids[self.app.user_entity.entity_name],
            rows.ids[self.app.item_entity.entity_name],
            np.where(as_of.known, as_of.values, rows.seqs - 1),
            np.where(moment.known, moment.values, rows.times_us),
            {name: rows.fields[name] for name in self.app.request_context.fields},
        )

    def features(self, requests: Requests, encoding: Encoding) -> np.ndarray:
        """Compute the feature matrix float32[N, F] of past requests, a row each, in their order."""
        matrix = np.empty((len(requests), encoding.num_columns), np.float32)
        for start in range(0, max(len(requests), 1), _ROWS_AT_ONCE):
            some = requests.take(slice(start, start + _ROWS_AT_ONCE))
            facts = PastFacts(self._history, some)
            matrix[start : start + _ROWS_AT_ONCE] = feature_matrix(self.plan, facts, encoding, len(some))
        return matrix

    def last(self, feature: Last, requests: Requests) -> np.ndarray:
        """Return each request's history, codes int64[N, n], newest first, -1 where it ends."""
        stream = self._history.histories.get(feature.name)
        if stream is None:
            return np.full((len(requests), feature.n), -1, np.int64)
        space = self._history.resolver.key_spaces[key_text(feature.key)]
        slots = PastFacts(self._history, requests).slots(space)
        return np.asarray(
            last_items(
                stream.keys, stream.values[:, 0], stream.seqs, stream.times_us,
                slots, requests.as_of_seq, requests.times_us, feature.n, max_age_us(feature),
            )
        )  # fmt: skip

    def evaluate(self, expression: Expression, requests: Requests) -> Values:
        """Compute an expression over attributes and context for past requests, [N]."""
        return evaluate(expression, PastFacts(self._history, requests).read)

    def fit_encoding(
        self, requests: Requests, *, min_count: int = 20, max_categories: int = 1000
    ) -> Encoding:
        """Number the categories of the text columns, from the requests that will be trained on.

        Args:
            requests: the training requests.
            min_count: a rarer text has no number of its own.
            max_categories: the most frequent are numbered, at most so many a column.
        """
        read = PastFacts(self._history, requests).read
        categories = {}
        for name in self.plan.categorical:
            values = evaluate(self._history.expressions[name], read)
            categories[name] = frequent_categories(values, min_count=min_count, max_categories=max_categories)
        return Encoding(self.plan.names, categories)
