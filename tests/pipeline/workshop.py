"""Funnels over the small past of `stages.town`, with models fitted on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

import shortlist as sl
from shortlist.features.encoders import Encoding
from shortlist.features.online import OnlineState
from shortlist.models.boosted_trees import BoostedTrees
from shortlist.models.contract import Examples, FeatureColumn, FittedRanker
from shortlist.models.popularity import Popularity
from shortlist.models.segment_popularity import FittedSegmentPopularity
from shortlist.pipeline.artifacts import FunnelArtifacts
from shortlist.pipeline.funnel import Funnel
from shortlist.stages.contract import Query
from stages.town import NUM_VIDEOS, Town, query, release_items, watched

PATIENT_MS = 60_000.0
"""A budget that no healthy stage misses, however busy the machine."""


@dataclass
class Workshop:
    """A town, its state, a funnel, and how to make another one like it."""

    town: Town
    state: OnlineState
    funnel: Funnel
    another: Callable[[], Funnel]

    def query(self, user: str = "u1", **settings: object) -> Query:
        return query(self.state, user, **settings)

    def names(self, items: np.ndarray) -> list[str]:
        return self.state.items.vocabulary.texts(items)


def workshop(
    stages, *, ranker=None, p99_ms=PATIENT_MS, records=None, width=1000, segment=None, lists=None, **settings
) -> Workshop:
    """Build a funnel.

    Args:
        stages: makes the stages, given the town.
        ranker: makes the fitted ranker of `engaged`, given the columns; or True for boosted trees.
        p99_ms: the surface's budget.
        records: the past; by default the usual one.
        width: how many candidates may pass.
        segment: the name of the user's attribute that divides users.
        lists: what is popular in each segment, by its name, best first.
        settings: more settings of the surface.
    """
    town = Town()
    surface = town.surface(
        *stages(town),
        slo=sl.SLO(p99_ms=p99_ms),
        ranker=None if ranker is None else BoostedTrees(),
        value={town.engaged: 2.0, town.liked: 5.0},
        segment=segment and town.user.attributes[segment],
        **settings,
    )
    state = town.state(records)
    encoding = Encoding(state.plan.names, {name: ["tv", "phone"] for name in state.plan.categorical})
    columns = encoding_columns(encoding)
    rankers: dict[str, FittedRanker] = {}
    if ranker is True:
        rankers = {"engaged": trees(columns, 1), "liked": trees(columns, 2)}
    elif ranker is not None:
        rankers = {"engaged": ranker(columns)}
    past = watched()
    retrieval = {
        number: source.model.fit(past) for number, source in enumerate(surface.sources) if source.model
    }
    artifacts = FunnelArtifacts(
        release_items(), Popularity().fit(past), retrieval, rankers, encoding,
        segments=None if lists is None else segment_lists(lists),
    )  # fmt: skip

    def build() -> Funnel:
        return Funnel.build(town.app, surface, artifacts, state, width=width)

    return Workshop(town, state, build(), build)


def segment_lists(lists: Mapping[str, Sequence[str]]) -> FittedSegmentPopularity:
    """What training would have made, had these been popular."""
    numbers = {name: number for number, name in enumerate(release_items())}
    items = np.full((len(lists), max(map(len, lists.values()))), -1, np.int32)
    for row, names in zip(items, lists.values(), strict=True):
        row[: len(names)] = [numbers[name] for name in names]
    return FittedSegmentPopularity(tuple(lists), items, len(numbers))


def encoding_columns(encoding: Encoding) -> tuple[FeatureColumn, ...]:
    """What a model is told about an encoding's columns."""
    return tuple(
        FeatureColumn(name, name in encoding.categories, len(encoding.categories.get(name, ())))
        for name in encoding.names
    )


@cache
def trees(columns: tuple[FeatureColumn, ...], seed: int) -> FittedRanker:
    """Fit small trees to something that the features decide."""
    rng = np.random.default_rng(seed)
    count = 2000
    features = np.empty((count, len(columns)), np.float32)
    for number, column in enumerate(columns):
        numbers = rng.integers(0, column.cardinality, count) if column.categorical else 20 * rng.random(count)
        features[:, number] = numbers
    signal = np.nan_to_num(features).sum(axis=1) + rng.normal(0, 5, count)
    labels = (signal > np.median(signal)).astype(np.float32)
    examples = Examples(features, columns, labels, np.arange(count, dtype=np.int64))
    return BoostedTrees(num_trees=20).fit(examples, None, seed=seed)


ALL_VIDEOS = tuple(range(NUM_VIDEOS))
