"""What a retrieval model is: a definition that fits on positives, and a fitted model that finds candidates.

A fitted model is asked with what a person did, newest first, not with who the person is: so what was done
a second ago counts, and a person whom training never saw is served like any other.

N interactions, P pairs of a user and an item, B users asked for, L history, A attributes, D width, I items,
n wanted.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from shortlist.features.encoders import Encoding
from shortlist.index.allowed import Allowed
from shortlist.index.contract import StoredIndex
from shortlist.index.top import top_n, top_n_of
from shortlist.models.contract import Progress
from shortlist.models.errors import require

NO_ITEM = -1


@dataclass(frozen=True)
class Attributes:
    """What is known of N users or N items.

    Args:
        values: float32 [N, A], in the order of `encoding.names`; text as category numbers, NaN is missing.
        encoding: the A columns, and the texts of their categories.
    """

    values: NDArray[np.float32]
    encoding: Encoding

    def __post_init__(self) -> None:
        shape = (len(self.values), self.encoding.num_columns)
        require(
            self.values.shape == shape and self.values.dtype == np.float32,
            "Attributes.values", expected=f"float32 {shape}", received=self.values,
        )  # fmt: skip


@dataclass(frozen=True)
class UserBatch:
    """B users to find candidates for.

    Args:
        history: int32 [B, L], the items of each, newest first; -1 after the last, and for an item that the
            model does not know, which is passed over.
        attributes: float32 [B, A], as the model was trained with; None when nothing is known.
    """

    history: NDArray[np.int32]
    attributes: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.history)


@dataclass(frozen=True)
class Interactions:
    """Positives to learn retrieval from, in time order.

    Args:
        users: int32 [N], 0..num_users-1.
        items: int32 [N], 0..num_items-1.
        times_us: int64 [N], non-decreasing.
        weights: float32 [N], non-negative.
        num_users: how many users there are.
        num_items: how many items there are; those without an interaction count too.
        user_attributes: of the users 0..num_users-1, or None.
        item_attributes: of the items 0..num_items-1, or None.
        item_ids: of the items 0..num_items-1, for a model that knows of items by their ids, or None.

    Raises:
        ModelError: when lengths disagree, a code is out of range, or times go back.
    """

    users: NDArray[np.int32]
    items: NDArray[np.int32]
    times_us: NDArray[np.int64]
    weights: NDArray[np.float32]
    num_users: int
    num_items: int
    user_attributes: Attributes | None = None
    item_attributes: Attributes | None = None
    item_ids: Sequence[str] | None = None

    def __post_init__(self) -> None:
        lengths = {len(self.users), len(self.items), len(self.times_us), len(self.weights)}
        require(len(lengths) == 1, "Interactions", expected="arrays of one length", received=sorted(lengths))
        for thing, codes, count in (
            ("users", self.users, self.num_users),
            ("items", self.items, self.num_items),
        ):
            within = len(codes) == 0 or (int(codes.min()) >= 0 and int(codes.max()) < count)
            require(within, f"Interactions.{thing}", expected=f"codes 0..{count - 1}", received=codes)
        in_order = bool((self.times_us[1:] >= self.times_us[:-1]).all())
        require(in_order, "Interactions.times_us", expected="time order", received=self.times_us)
        weights_ok = bool((self.weights >= 0).all())
        require(weights_ok, "Interactions.weights", expected="non-negative weights", received=self.weights)
        for thing, attributes, count in (
            ("user_attributes", self.user_attributes, self.num_users),
            ("item_attributes", self.item_attributes, self.num_items),
        ):
            fits = attributes is None or len(attributes.values) == count
            require(fits, f"Interactions.{thing}", expected=f"{count} rows", received=attributes)
        named = self.item_ids is None or len(self.item_ids) == self.num_items
        require(named, "Interactions.item_ids", expected=f"{self.num_items} ids", received=self.item_ids)

    def __len__(self) -> int:
        return len(self.users)

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Interactions:
        """Return some of the interactions, still of the same users and items; rows in time order."""
        return replace(
            self,
            users=self.users[rows],
            items=self.items[rows],
            times_us=self.times_us[rows],
            weights=self.weights[rows],
        )

    def first_visits(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Find each user's first visit to each item, for a model of what a user has not had yet.

        Returns:
            For each of P pairs, by user and then item: the row of the first interaction, int64 [P], and
            the weight of all the pair's interactions together, float64 [P].
        """
        pairs_N = self.users.astype(np.int64) * self.num_items + self.items
        _, first_P, pair_N = np.unique(pairs_N, return_index=True, return_inverse=True)
        weights_P = np.bincount(pair_N, weights=self.weights, minlength=len(first_P))
        return first_P.astype(np.int64), weights_P.astype(np.float64)


class RetrievalModel(ABC):
    """The definition of a model that finds candidates; `kind` is the name of its file."""

    kind: ClassVar[str]

    @abstractmethod
    def fit(
        self, interactions: Interactions, *, seed: int = 0, progress: Progress | None = None
    ) -> FittedRetrieval:
        """Learn from positives in time order; the same seed gives the same model."""


class FittedRetrieval(ABC):
    """A model that finds candidates among the items 0..I-1."""

    kind: ClassVar[str]
    num_items: int

    @abstractmethod
    def scores(self, users: UserBatch) -> NDArray[np.float32]:
        """Score the whole catalogue for each user: float32 [B, I], finite, higher is better.

        A user's scores depend on that user alone, up to rounding, whatever users come with it.
        """

    def retrieve(
        self, users: UserBatch, n: int, allowed: Allowed | None = None
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the n best items for each user, best first; equal scores by item.

        Items of the history may be among them: to drop those is the caller's choice, who asks for as many
        more as may be dropped.

        Args:
            users: for whom.
            n: how many.
            allowed: which items may be found; None for all of them.

        Returns:
            Items int32 [B, n], -1 after the last one found, and scores float32 [B, n].
        """
        if allowed is None:
            return top_n(self.scores(users), n)
        items_K = allowed.below(self.num_items).items
        return top_n_of(items_K.astype(np.int32), self.scores(users)[:, items_K], n)

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the model's files into an existing folder."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            ModelFileError: when a file is missing, damaged, or of another kind of model.
        """


class FittedVectors(FittedRetrieval):
    """A model that places users and items in one space, where the inner product is the score.

    `index` holds the vectors of the items 0..I-1, D wide; a bias, where a model has one, is a coordinate.
    Scores are exact whatever the index; what it retrieves is what the index finds.
    """

    index: StoredIndex

    @property
    def num_items(self) -> int:  # type: ignore[override]
        """How many items there are."""
        return self.index.num_items

    def with_index(self, index: StoredIndex) -> Self:
        """Return the same model, whose item vectors are searched by another index."""
        assert index.vectors.shape == self.index.vectors.shape
        changed = copy.copy(self)
        changed.index = index
        return changed

    @abstractmethod
    def user_vectors(self, users: UserBatch) -> NDArray[np.float32]:
        """Return the vector of each user, float32 [B, D]."""

    def scores(self, users: UserBatch) -> NDArray[np.float32]:
        """Return the inner products with all items, float32 [B, I]."""
        return self.index.scores(self.user_vectors(users))

    def retrieve(
        self, users: UserBatch, n: int, allowed: Allowed | None = None
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Search the index; see `FittedRetrieval.retrieve`."""
        return self.index.search(self.user_vectors(users), n, allowed)


def nothing_for_zeros(
    users_BD: NDArray[np.float32], items_BN: NDArray[np.int32], scores_BN: NDArray[np.float32]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Take back what was found for users whose vector is all zeros: all items scored alike for them."""
    is_known_B1 = users_BD.any(axis=1, keepdims=True)
    if is_known_B1.all():
        return items_BN, scores_BN
    return np.where(is_known_B1, items_BN, np.int32(NO_ITEM)), np.where(
        is_known_B1, scores_BN, np.float32(0.0)
    )
