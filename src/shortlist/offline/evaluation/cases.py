"""Cases: for whom a retrieval model is asked, what it may know of them, and what it should have found.

B cases, one a user; L history; M items that should be found; N interactions; I items.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shortlist.models.retrieval import NO_ITEM, Attributes, Interactions, UserBatch
from shortlist.offline.errors import OfflineError


@dataclass(frozen=True)
class ItemLists:
    """A list of items for each of B cases, one behind the other.

    Args:
        items: int32 [M], ascending within a list, each once.
        starts: int64 [B + 1], where each list begins, and where the last one ends.
    """

    items: NDArray[np.int32]
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, case: int) -> NDArray[np.int32]:
        """Return the items of one case."""
        return self.items[self.starts[case] : self.starts[case + 1]]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """How many items each case has, int64 [B]."""
        return np.diff(self.starts)

    @property
    def cases(self) -> NDArray[np.int64]:
        """Which case each item belongs to, int64 [M]."""
        return np.repeat(np.arange(len(self)), self.sizes)

    def take(self, cases: NDArray[np.int64]) -> ItemLists:
        """Return the lists of some cases, in the order asked for."""
        sizes = self.sizes[cases]
        starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        rows = np.arange(starts[-1]) + np.repeat(self.starts[cases] - starts[:-1], sizes)
        return ItemLists(self.items[rows], starts)


@dataclass(frozen=True)
class Cases:
    """B users to judge a model on; candidates of each are all items but those excluded.

    Args:
        users: int32 [B], ascending.
        history: int32 [B, L], what the model may know of each, newest first, each item once, -1 padded.
        relevant: what each should be shown, one item or more.
        excluded: what each is not to be shown: what they knew already; none of it is relevant.
        item_counts: int64 [I], interactions with each item in training.
        user_attributes: of all users, as in `Interactions`.
        item_attributes: of all items, as in `Interactions`.
    """

    users: NDArray[np.int32]
    history: NDArray[np.int32]
    relevant: ItemLists
    excluded: ItemLists
    item_counts: NDArray[np.int64]
    user_attributes: Attributes | None = None
    item_attributes: Attributes | None = None

    def __len__(self) -> int:
        return len(self.users)

    @property
    def num_items(self) -> int:
        """How many items the catalogue has."""
        return len(self.item_counts)

    def batch(self, start: int, end: int) -> UserBatch:
        """Return the cases start..end-1 as a model is asked for them."""
        known = self.user_attributes
        attributes = None if known is None else known.values[self.users[start:end]]
        return UserBatch(self.history[start:end], attributes)

    def take(self, cases: NDArray[np.int64]) -> Cases:
        """Return some of the cases, in the order asked for."""
        return replace(
            self,
            users=self.users[cases],
            history=self.history[cases],
            relevant=self.relevant.take(cases),
            excluded=self.excluded.take(cases),
        )

    def sample(self, num_cases: int, *, seed: int = 0) -> Cases:
        """Draw cases without replacement, in ascending order; all where there are no more.

        To judge fewer users widens the interval, and is honest; to judge against fewer items is not.
        """
        drawn = np.random.default_rng(seed).permutation(len(self))[:num_cases]
        return self.take(np.sort(drawn))


@dataclass(frozen=True)
class Holdout:
    """What a model may learn from, and what it is judged on."""

    train: Interactions
    cases: Cases


def hold_out(
    interactions: Interactions,
    *,
    train: NDArray[np.bool_],
    held: NDArray[np.bool_],
    known: NDArray[np.bool_],
    excluded: NDArray[np.bool_],
    history: int | None,
) -> Holdout:
    """Make a case of each user who has a held interaction.

    Args:
        interactions: N of them.
        train: bool [N], to learn from.
        held: bool [N], to be found.
        known: bool [N], what the model may know of the users when asked.
        excluded: bool [N], whose items are no candidates for the user; no user-item pair of `held` is among
            them.
        history: L, how many of the newest known items are told; None for all that the longest has.

    Raises:
        OfflineError: when there is nothing to learn from, or nobody to judge on.
    """
    if not train.any() or not held.any():
        raise OfflineError(
            "hold out",
            expected="interactions to learn from and interactions to find",
            received=f"{int(train.sum())} to learn from, {int(held.sum())} to find, of {len(train)}",
            mend="Bring more interactions, or choose a protocol or a share that suits how few there are.",
        )
    if history is not None and history < 1:
        raise OfflineError(
            "history",
            expected="1 item or more, or None for all",
            received=history,
            mend="history=200 is usual.",
        )
    users = np.unique(interactions.users[held])
    case_of_user = np.full(interactions.num_users, -1, np.int64)
    case_of_user[users] = np.arange(len(users))
    case_N = case_of_user[interactions.users]
    learnt = interactions.take(train)
    cases = Cases(
        users,
        _histories(interactions.items, case_N, known & (case_N >= 0), len(users), history),
        _lists(interactions, case_N, held, len(users)),
        _lists(interactions, case_N, excluded & (case_N >= 0), len(users)),
        np.bincount(learnt.items, minlength=interactions.num_items).astype(np.int64),
        interactions.user_attributes,
        interactions.item_attributes,
    )
    return Holdout(learnt, cases)


def _lists(
    interactions: Interactions, case_N: NDArray[np.int64], rows: NDArray[np.bool_], num_cases: int
) -> ItemLists:
    """Return the distinct items of each case among some rows."""
    # np.unique would hash, which takes ten times as long where most pairs come once.
    pairs = np.sort(case_N[rows] * interactions.num_items + interactions.items[rows])
    cases, items = np.divmod(pairs[np.diff(pairs, prepend=-1) > 0], interactions.num_items)
    return ItemLists(items.astype(np.int32), _starts(cases, num_cases))


def _histories(
    items_N: NDArray[np.int32],
    case_N: NDArray[np.int64],
    rows: NDArray[np.bool_],
    num_cases: int,
    history: int | None,
) -> NDArray[np.int32]:
    """Return the last items of each case among some rows in time order, each at its newest place, [B, L].

    As in serving, the last `history` rows are read, and repeats among them dropped.
    """
    cases, items = case_N[rows], items_N[rows]
    order = np.argsort(cases, kind="stable")
    cases, items = cases[order], items[order]
    told = _age(cases, num_cases) < (len(cases) if history is None else history)
    cases, items = cases[told], items[told]
    pairs = (cases * (items.max(initial=0) + 1) + items)[::-1]
    newest = np.sort(len(pairs) - 1 - np.unique(pairs, return_index=True)[1])
    cases, items = cases[newest], items[newest]
    age = _age(cases, num_cases)
    history_BL = np.full((num_cases, int(age.max(initial=0)) + 1), NO_ITEM, np.int32)
    history_BL[cases, age] = items
    return history_BL


def _age(sorted_cases: NDArray[np.int64], num_cases: int) -> NDArray[np.int64]:
    """Return how many rows of the same case come after each."""
    return _starts(sorted_cases, num_cases)[1:][sorted_cases] - 1 - np.arange(len(sorted_cases))


def _starts(sorted_cases: NDArray[np.int64], num_cases: int) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(np.bincount(sorted_cases, minlength=num_cases))]).astype(np.int64)
