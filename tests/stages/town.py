"""A small product with a small past: what stages are tried on.

Everything real: a declaration, records, the state that folds them, models fitted on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

import shortlist as sl
from shortlist.declare.surface import Stage, Surface
from shortlist.features.attributes import attribute_encoding, attribute_rows
from shortlist.features.entities import EntityTable
from shortlist.features.online import OnlineState
from shortlist.features.schema import log_schemas
from shortlist.log.columns import Batch, columns_from_records
from shortlist.log.record import Record
from shortlist.models.retrieval import Attributes, FittedRetrieval, Interactions, RetrievalModel
from shortlist.stages.contract import Items, Query

HOUR_US = 3_600_000_000
NOW_US = 1_760_000_000_000_000
TOPICS = ("cats", "news", "music", "chess", None)
NUM_USERS, NUM_VIDEOS = 30, 120


class Town:
    """The declaration; `surface` adds the stages under test, `state` folds records."""

    def __init__(self) -> None:
        self.app = app = sl.App("town")
        self.user = app.entity("user", country=str, adult=bool)
        self.video = app.entity(
            "video", creator=str, topic=str, duration_s=float, explicit=bool, published=sl.Time
        )
        context = app.context(device=str)
        self.watch = app.event("watch", self.user, self.video, watch_s=float)
        self.like = app.event("like", self.user, self.video)
        self.engaged = app.label("engaged", self.watch.watch_s > 30, within="30m")
        self.liked = app.label("liked", self.like, within="1d")
        app.features(
            sl.count(self.watch, by=self.video, window="1d"),
            sl.count(self.watch, by=(self.user, self.video.topic), window="7d"),
            self.video.duration_s,
            context.device,
        )
        self.device = context.device

    def surface(self, *stages: Stage, **settings: object) -> Surface:
        """Declare a surface out of stages, each in the part of its role."""
        parts = {
            role: [one for one in stages if one.role == role] for role in ("source", "filter", "reranker")
        }
        return self.app.surface(
            f"home{len(self.app.surfaces)}",
            sources=parts["source"] or [sl.Popular()],
            filters=parts["filter"],
            rerank=parts["reranker"],
            **settings,
        )

    def state(self, records: Sequence[Record] | None = None) -> OnlineState:
        """Fold records, by default the usual past."""
        state = OnlineState(self.app)
        fold(state, past() if records is None else records)
        return state


def fold(state: OnlineState, records: Sequence[Record]) -> None:
    """Apply records to a state, as the server does."""
    if records:
        kinds = {schema.kind: columns_from_records(schema, records) for schema in log_schemas(state.app)}
        kinds = {kind: columns for kind, columns in kinds.items() if len(columns)}
        state.apply(Batch(records[0].seq, records[-1].seq, kinds))


@cache
def past() -> list[Record]:
    """Users, videos, watches and likes, the same every time; some attributes are unknown."""
    rng = np.random.default_rng(5)
    rows: list[tuple[str, dict[str, object]]] = []
    for number in range(NUM_USERS):
        adult = (True, False, None)[number % 3]
        rows.append(("user", {"user": f"u{number}", "country": "NL", "adult": adult}))
    for number in range(NUM_VIDEOS):
        video = {
            "video": f"v{number}",
            "creator": None if number % 17 == 0 else f"c{rng.integers(12)}",
            "topic": TOPICS[rng.integers(len(TOPICS))],
            "duration_s": float(rng.integers(5, 300)),
            "explicit": (False, True, None)[rng.integers(3)],
            # from three days old to one not yet out
            "published": None if number % 19 == 0 else NOW_US + (3 - number) * HOUR_US // 2,
        }
        rows.append(("video", video))
    for _ in range(900):
        user, video = rng.integers(NUM_USERS - 2), int(NUM_VIDEOS * rng.random() ** 2)
        pair = {"user": f"u{user}", "video": f"v{video}"}
        rows.append(("watch", {**pair, "watch_s": float(rng.integers(1, 90))}))
        if rng.random() < 0.2:
            rows.append(("like", pair))
    start_us = NOW_US - 1_000_000 * len(rows)
    return [
        Record(
            seq=place + 1, id=None, kind=kind, log_time_us=start_us + 1_000_000 * place,
            event_time_us=start_us + 1_000_000 * place, fields=fields,
        )
        for place, (kind, fields) in enumerate(rows)
    ]  # fmt: skip


def release_items() -> list[str]:
    """The items as a release numbers them: in another order, and one that no state has seen."""
    names = [f"v{number}" for number in range(NUM_VIDEOS)]
    return ["ghost", *(str(name) for name in np.random.default_rng(8).permutation(names))]


@cache
def watched() -> Interactions:
    """The watches of the past, with the item numbers of a release, and what it knows of users and items."""
    items = release_items()
    numbers = {name: number for number, name in enumerate(items)}
    watches = [record for record in past() if record.kind == "watch"]
    users = np.array([int(str(watch.fields["user"])[1:]) for watch in watches], np.int32)
    codes = np.array([numbers[str(watch.fields["video"])] for watch in watches], np.int32)
    times_us = np.array([watch.log_time_us for watch in watches], np.int64)
    ghost = np.concatenate([codes[:-60], np.zeros(60, np.int32)])  # the ghost is popular too
    state = Town().state()
    return Interactions(
        users, ghost, times_us, np.ones(len(codes), np.float32), NUM_USERS, len(items),
        known_of(state.users, [f"u{number}" for number in range(NUM_USERS)]), known_of(state.items, items),
        item_ids=items,
    )  # fmt: skip


def known_of(table: EntityTable, ids: Sequence[str]) -> Attributes:
    """What a release learns of some ids from their attributes."""
    encoding = attribute_encoding(table)
    return Attributes(attribute_rows(table, table.vocabulary.codes(ids), encoding), encoding)


def fitted_for(stage: object) -> FittedRetrieval | None:
    """Fit what a source needs fitted; once for equal models, which may take seconds."""
    model = getattr(stage, "model", None)
    return None if model is None else _fitted(model)


@cache
def _fitted(model: RetrievalModel) -> FittedRetrieval:
    return model.fit(watched())


def codes_of(state: OnlineState) -> Items:
    """The state's code of each of the release's items."""
    return state.items.vocabulary.codes(release_items())


def query(state: OnlineState, user: str = "u1", *, k: int = 10, seed: int = 0, **context: object) -> Query:
    """A request of a user by name."""
    return Query(state.users.vocabulary.code(user), k, state.moment(NOW_US), context, seed, state)
