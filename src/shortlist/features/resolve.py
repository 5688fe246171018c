"""From rows of the log to streams: what each track adds, when, and under which key.

The online and the offline path both read the log through here, so that a row means the same to both.
Attributes of an event are those the log knew just before it.

Shape legend: N rows of a stream, L lanes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from shortlist.declare.app import App
from shortlist.declare.entities import Entity
from shortlist.features.conversions import Conversions, LabelJoin
from shortlist.features.entities import EntityTable
from shortlist.features.key_layout import KeyLayout
from shortlist.features.key_space import KeySpace, key_text
from shortlist.features.plan import Plan
from shortlist.features.rows import Rows, Updates
from shortlist.features.uses import uses_of


class Stream(NamedTuple):
    """Rows in log order with their key slots int64[N] and what they add, int64[N, L]."""

    keys: np.ndarray
    seqs: np.ndarray
    times_us: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class Resolved:
    """A batch, ready to fold: streams by number of track, recency and history name."""

    tracks: dict[int, Stream]
    recencies: dict[int, Stream]
    histories: dict[str, Stream]
    updates: dict[str, Updates]
    events: dict[str, Rows]
    conversions: dict[str, Conversions]


class Resolver:
    """What later rows depend on: ids, attributes, impressions; `batch.Resolution` reads batches with it."""

    def __init__(self, app: App, plan: Plan) -> None:
        self.app, self.plan = app, plan
        self.kinds = frozenset(app.log_schema())
        self.tables = {name: EntityTable(entity) for name, entity in app.entities.items()}
        keys = [track.key for track in plan.tracks] + [key for _, key in plan.recencies]
        keys += [history.key for history in plan.histories.values()]
        self.key_spaces = {key_text(key): KeySpace(key) for key in keys}
        self.track_spaces = [self.key_spaces[key_text(track.key)] for track in plan.tracks]
        self.recency_spaces = [self.key_spaces[key_text(key)] for _, key in plan.recencies]
        self.layout = KeyLayout(self.key_spaces.values(), app.item_entity)
        self.uses = uses_of(plan, self.key_spaces, self.layout)
        self.labels = LabelJoin(list(app.labels.values()), app)
        self.events = {event.event_name: event for event in (app.impression, *app.events.values())}
        self.vocabularies = {
            name: {one.entity_name: self.tables[one.entity_name].vocabulary for one in event.entities}
            for name, event in self.events.items()
        }
        self.field_types = {
            name: {field: read.type for field, read in event.fields.items() if read.type != "floats"}
            for name, event in self.events.items()
        }

    def num_slots(self, space: KeySpace) -> int:
        """Return a bound above every slot of a key space."""
        if space.pairs is not None:
            return space.pairs.num_slots
        if not space.key:
            return 1
        (part,) = space.key
        if isinstance(part, Entity):
            return len(self.tables[part.entity_name])
        texts = self.tables[part.entity.entity_name].vocabularies.get(part.name)
        return 2 if texts is None else len(texts)
