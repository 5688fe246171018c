"""All that a column is held against, read from the log once.

Shape legend: N trials, M of them sampled, F columns folded from the log, E events.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from shortlist.declare.labels import Label
from shortlist.features.offline import History
from shortlist.features.plan import ValueColumn
from shortlist.features.values import Values
from shortlist.models.contract import FeatureColumn
from shortlist.offline.dataset import feature_columns
from shortlist.offline.leakage.association import bound_width
from shortlist.offline.leakage.echo import led_to
from shortlist.offline.leakage.observations import (
    Happened,
    Observed,
    beginnings,
    happenings,
    outcomes,
)
from shortlist.offline.leakage.power import FEW, log_power
from shortlist.offline.leakage.suspects import Fixed, Suspect, fixed_by, suspects
from shortlist.offline.positives import requests_before
from shortlist.offline.trials import Trials

_MOST_ROWS = 60_000
"""Of the trials that tell how well a column predicts: more would only narrow bounds that are wide enough."""
_MOST_KEYS = 3_000
"""Of the users or items whose events are held against a column one by one: likewise."""


@dataclass(frozen=True)
class Brought:
    """What events brought: the key of each, int64 [E], and by name the values, [E]."""

    codes: NDArray[np.int64]
    values: Mapping[str, Values]


class Evidence:
    """The log, its trials, and what was asked of them.

    Args:
        history: the log.
        trials: what was tried; all impressions, or lists that were drawn.
    """

    def __init__(self, history: History, trials: Trials) -> None:
        self.history, self.trials, self.app = history, trials, history.app
        self.user, self.item = self.app.user_entity.entity_name, self.app.item_entity.entity_name
        self.suspects = suspects(history, trials)
        self.outcomes: list[Observed] = outcomes(history, trials)
        self.happenings: list[Happened] = happenings(history)
        # Each column is held against each outcome and each kind of event, in two ways.
        num_each = 2 * (len(self.outcomes) + len(self.happenings))
        self.num_questions = max(len(self.suspects), 1) * max(num_each, 1)
        self.width = bound_width(self.num_questions)
        first = beginnings(history, self.happenings)
        self.fixed: dict[str, Fixed] = {
            one.name: fixed
            for one in self.suspects
            if (fixed := fixed_by(one, history, trials, first)) is not None
        }
        self._log_power: dict[str, float] = {}
        self._brought: dict[tuple[str, str], Brought] = {}
        self._num_keys = {self.user: len(history.users), self.item: len(history.items)}

    @property
    def labels(self) -> list[Label]:
        """The labels that really shown trials speak of; none where all were drawn."""
        if self.trials.sampling is not None:
            return []
        return [label for name, label in self.app.labels.items() if name in self.trials.positive]

    @cached_property
    def can_judge_context(self) -> bool:
        """Whether enough of what was shown came out either way, by one label at least."""
        positive = [self.positive(name, self.settled(name)) for name in map(str, self.labels)]
        return any(min(one.sum(), len(one) - one.sum()) >= FEW for one in positive)

    def settled(self, label: str) -> NDArray[np.int64]:
        """Return the trials whose outcome is known, at most so many, evenly over time; int64 [M]."""
        rows = np.flatnonzero(self.trials.known_us[label] <= self.history.last_log_time_us)
        return rows[:: max(1, -(-len(rows) // _MOST_ROWS))]

    def positive(self, label: str, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return outcomes, float64 0 or 1."""
        return self.trials.positive[label][rows].astype(np.float64)

    def groups(self, suspect: Suspect) -> NDArray[np.int64]:
        """Return what rows are held out by, int64 [N]: the key of a fixed column, else the user."""
        fixed = self.fixed.get(suspect.name)
        is_of_item = fixed is not None and fixed.entity == self.item
        return self.trials.requests.items if is_of_item else self.trials.requests.users

    @cached_property
    def folded(self) -> tuple[NDArray[np.int64], NDArray[np.float32], tuple[FeatureColumn, ...]]:
        """The rows int64 [M], values float32 [M, F] and columns that are folded from the log."""
        rows = np.arange(len(self.trials))[:: max(1, -(-len(self.trials) // _MOST_ROWS))]
        plan = self.history.plan
        kept = [place for place, column in enumerate(plan.columns) if not isinstance(column, ValueColumn)]
        if not kept:
            return rows, np.empty((len(rows), 0), np.float32), ()
        requests = self.trials.requests.take(rows)
        encoding = self.history.fit_encoding(requests)
        features = self.history.features(requests, encoding)[:, kept]
        columns = feature_columns(encoding)
        return rows, np.ascontiguousarray(features), tuple(columns[place] for place in kept)

    def log_power(self, label: str) -> float:
        """Return how well all that is folded from the log tells a label: area under the curve."""
        if label not in self._log_power:
            rows, features, columns = self.folded
            settled = self.trials.known_us[label][rows] <= self.history.last_log_time_us
            self._log_power[label] = log_power(
                features[settled], columns, self.positive(label, rows[settled]),
                self.trials.requests.users[rows[settled]],
            )  # fmt: skip
        return self._log_power[label]

    @cached_property
    def followed(self) -> list[tuple[Happened, NDArray[np.int64]]]:
        """Events with fields, each with the trial it followed, int64 [E], -1 where none."""
        within = max((label.within_us for label in self.app.labels.values()), default=0)
        return [
            (one, led_to(self.trials, one, self.user, self.item, within))
            for one in self.happenings
            if one.fields and {self.user, self.item} <= set(one.codes)
        ]

    def brought(self, happened: Happened, entity: str) -> Brought:
        """Return what events bring to a key of an entity; of many keys, to some that are drawn."""
        at = happened.what, entity
        if at not in self._brought:
            drawn = np.random.default_rng(0).permutation(self._num_keys[entity])[:_MOST_KEYS]
            rows = happened.rows.take(np.isin(happened.codes[entity], drawn))
            other = self.app.item_entity if entity == self.user else self.app.user_entity
            asked = requests_before(self.app, rows)
            values = {
                str(column): self.history.evaluate(column, asked)
                for column in other.attributes.values()
                if column.type != "time"
            } | {f"{happened.what}.{name}": rows.fields[name] for name in happened.fields}
            self._brought[at] = Brought(rows.ids[entity], values)
        return self._brought[at]
