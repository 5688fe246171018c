"""Popularity within each segment of users: what people like this one interact with now.

The share of an item within a segment is estimated with a Dirichlet prior that is centred on everybody's
share (Zhai and Lafferty, A study of smoothing methods for language models applied to ad hoc information
retrieval, SIGIR 2001): a small segment's list is close to everybody's, a large one's is its own.

N interactions, U users, I items, S segments, n items of a list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from shortlist.index.top import top_n
from shortlist.models.errors import ModelFileError, require
from shortlist.models.files import frozen, read_array, read_description, write_array, write_description
from shortlist.models.popularity import Popularity
from shortlist.models.retrieval import NO_ITEM, Interactions

PRIOR = 300.0
"""Interactions that everybody's share counts as.

Hits among the first 20 for users never seen before, over six moments of each log, with a prior of 0, of 300,
and with everybody's list alone: KuaiRand-Pure by `user_active_degree` .102, .104, .098 (5,479 clicks) and
by `onehot_feat3`, which has 1,361 values, .047, .097, .097 (4,689); globo.com by region, with a half-life of
2 hours, .597, .599, .586 (9,118); MovieLens-100K by occupation .087, .088, .089 (20,984 ratings). So the
prior keeps small segments from harm, and what a segment gains hangs on what it is.
"""

MIN_INTERACTIONS = 30.0
"""A segment with less of its own has no list: such lists of `onehot_feat3` found .090, everybody's .094."""

MIN_USERS = 10
"""A list made by fewer people would tell the next one what they did."""

MAX_SEGMENTS = 100
LIST_LENGTH = 1000


@dataclass(frozen=True)
class SegmentPopularity:
    """The most popular items of each segment.

    An interaction of the mean weight, made now, counts as one, an older one less. Of the segments with
    `MIN_INTERACTIONS` and `MIN_USERS` or more, the `MAX_SEGMENTS` with the most users have a list of up to
    `LIST_LENGTH` items.

    Args:
        popularity: how interactions age.
    """

    popularity: Popularity

    def fit(
        self, interactions: Interactions, segments_U: NDArray[np.int64], names: Sequence[str]
    ) -> FittedSegmentPopularity:
        """Count within each segment.

        Args:
            interactions: of U users.
            segments_U: int64 [U], the segment of each user, 0..len(names)-1; -1 where it is unknown.
            names: of the segments, each once.

        Raises:
            ModelError: when there is not one segment a user, or a number has no name.
        """
        fits = len(segments_U) == interactions.num_users and bool((segments_U < len(names)).all())
        expected = f"{interactions.num_users} numbers below {len(names)}"
        require(fits, "segments_U", expected=expected, received=segments_U)
        num_items = interactions.num_items
        left_N = self.popularity.decayed(interactions)
        everybody_I = np.bincount(interactions.items, weights=left_N, minlength=num_items)
        if not everybody_I.any():
            return FittedSegmentPopularity((), np.empty((0, 0), np.int32), num_items)
        prior_I = PRIOR * everybody_I / everybody_I.sum()
        counted_N = left_N / interactions.weights.mean()

        segment_N = segments_U[interactions.users]
        by_segment = np.argsort(segment_N, kind="stable")
        bounds = np.searchsorted(segment_N[by_segment], np.arange(len(names) + 1))
        lists: dict[str, NDArray[np.int32]] = {}
        for segment in _largest(segments_U, segment_N, counted_N, interactions.users, len(names)):
            rows = by_segment[bounds[segment] : bounds[segment + 1]]
            own_I = np.bincount(interactions.items[rows], weights=counted_N[rows], minlength=num_items)
            score_I = (own_I + prior_I).astype(np.float32)
            score_I[score_I == 0] = -np.inf  # nobody touched it
            lists[names[segment]] = top_n(score_I[None], min(LIST_LENGTH, num_items))[0][0]
        items_Sn = np.array(list(lists.values()), np.int32).reshape(len(lists), -1 if lists else 0)
        return FittedSegmentPopularity(tuple(lists), items_Sn, num_items)


class FittedSegmentPopularity:
    """The lists of the segments; not a retrieval model, which knows of users by what they did.

    Args:
        segments: the names of the segments, S of them, the one with the most users first.
        items: int32 [S, n], of each segment the most popular items, best first; -1 after the last.
        num_items: I.
    """

    kind = "segment_popularity"

    def __init__(self, segments: tuple[str, ...], items: NDArray[np.int32], num_items: int) -> None:
        self.segments, self.num_items = segments, num_items
        self.items: NDArray[np.int32] = frozen(items)

    def lists(self) -> Mapping[str, NDArray[np.int32]]:
        """Return the items of each segment, best first, by the segment's name."""
        return {name: items[items != NO_ITEM] for name, items in zip(self.segments, self.items, strict=True)}

    def save(self, folder: Path) -> None:
        """Write `model.json` and `items.npy`."""
        write_description(folder, self.kind, segments=list(self.segments), num_items=self.num_items)
        write_array(folder, "items", self.items)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; raises `ModelFileError` when it is damaged."""
        fields = read_description(folder, cls.kind, segments=list, num_items=int)
        segments, num_items = fields["segments"], fields["num_items"]
        if not all(isinstance(name, str) for name in segments) or len(set(segments)) != len(segments):
            raise ModelFileError(f"{folder}: expected names of segments, each once, received {segments!r}.")
        items_Sn = read_array(folder, "items", np.int32, (len(segments), None))
        ordered_Sn = np.sort(items_Sn, axis=1)
        is_repeated = (ordered_Sn[:, 1:] == ordered_Sn[:, :-1]) & (ordered_Sn[:, 1:] != NO_ITEM)
        if is_repeated.any() or ((items_Sn < NO_ITEM) | (items_Sn >= num_items)).any():
            raise ModelFileError(f"{folder}: expected items 0..{num_items - 1}, each once a segment.")
        return cls(tuple(segments), items_Sn, num_items)


def _largest(
    segments_U: NDArray[np.int64],
    segment_N: NDArray[np.int64],
    counted_N: NDArray[np.float64],
    users_N: NDArray[np.int32],
    num_segments: int,
) -> list[int]:
    """Return the segments that have a list, the one with the most users first."""
    active_U = np.zeros(len(segments_U), np.bool_)
    active_U[users_N] = True
    num_users_S = np.bincount(segments_U[active_U & (segments_U >= 0)], minlength=num_segments)
    known_N = segment_N >= 0
    counted_S = np.bincount(segment_N[known_N], weights=counted_N[known_N], minlength=num_segments)
    has_list_S = (num_users_S >= MIN_USERS) & (counted_S >= MIN_INTERACTIONS)
    order = np.argsort(-num_users_S, kind="stable")
    return [int(segment) for segment in order[has_list_S[order]][:MAX_SEGMENTS]]
