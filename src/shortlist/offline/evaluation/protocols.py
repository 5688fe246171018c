"""Protocols: how interactions are parted into what a model learns from and what it is judged on.

None of them needs a declaration: any data set that can be written as `Interactions` will do. To choose
settings, part a holdout's `train` once more and judge there; the cases are for the last word only.

N interactions, U users.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shortlist.models.retrieval import Interactions
from shortlist.offline.errors import OfflineError
from shortlist.offline.evaluation.cases import Holdout, hold_out


def leave_one_out(
    interactions: Interactions, *, which: Literal["test", "valid"] = "test", history: int | None = 200
) -> Holdout:
    """Hold out one item of each user: the newest as test, the one before it as validation.

    Training is the same for both: what the user did before the validation item. When the test item is
    asked for, the validation item is part of the history, and remains a candidate: all items are but
    those of the user's training interactions. Users with fewer than three items are only trained on.
    Kang and McAuley, "Self-attentive sequential recommendation", ICDM 2018, here over the full catalogue.

    A held-out item is the newest that was new to its user; repeats of older items that came after it are
    dropped. Mind that a model may learn from one user what was later than another user's test item: to
    know how it will do tomorrow, take `split_by_time`.

    Args:
        interactions: in time order; those of one moment stay as they are.
        which: which of the two items is to be found.
        history: how many of the newest items the model is told; None for all.

    Raises:
        OfflineError: when no user has three items, or `which` is neither.
    """
    if which not in ("test", "valid"):
        raise OfflineError("which", expected='"test" or "valid"', received=which, mend="Choose one.")
    is_new_N = _is_new(interactions)
    num_new_U = np.bincount(interactions.users[is_new_N], minlength=interactions.num_users)
    # How many items that are new to the user come later than this row.
    num_later_N = num_new_U[interactions.users] - _count_so_far(interactions, is_new_N)
    is_judged_N = num_new_U[interactions.users] >= 3
    train_N = ~is_judged_N | (num_later_N >= 2)
    place = 0 if which == "test" else 1
    return hold_out(
        interactions,
        train=train_N,
        held=is_judged_N & is_new_N & (num_later_N == place),
        known=num_later_N > place,
        excluded=train_N,
        history=history,
    )


def leave_users_out(
    interactions: Interactions,
    *,
    num_users: int | None = None,
    share: float = 0.1,
    fold_in: float = 0.8,
    seed: int = 0,
    history: int | None = None,
) -> Holdout:
    """Hold out whole users, tell the model most of what each did, and ask for the rest.

    Strong generalisation: Liang et al., "Variational autoencoders for collaborative filtering", WWW 2018.
    As there, the items told are drawn at random, not the earliest, and items that no training user
    touched are not asked for.

    Args:
        interactions: in time order.
        num_users: how many users, drawn among those with two items or more; by default a share of them.
        share: of the users with two items or more; where `num_users` is not given.
        fold_in: the share of a user's items that is told.
        seed: of the draws.
        history: how many of the newest items told are passed on; None for all.

    Raises:
        OfflineError: when a share is out of range, or there are too few users.
    """
    for thing, value in (("share", share), ("fold_in", fold_in)):
        _require_share(thing, value)
    random = np.random.default_rng(seed)
    new = np.flatnonzero(_is_new(interactions))
    num_items_U = np.bincount(interactions.users[new], minlength=interactions.num_users)
    eligible = np.flatnonzero(num_items_U >= 2)
    wanted = round(share * len(eligible)) if num_users is None else num_users
    if not 1 <= wanted < len(eligible):
        raise OfflineError(
            "leave_users_out",
            expected="to hold out a user or more, and fewer than have two items",
            received=f"{wanted} of {len(eligible)}",
            mend="Choose another num_users or share.",
        )
    is_out_U = np.zeros(interactions.num_users, bool)
    is_out_U[random.permutation(eligible)[:wanted]] = True
    train_N = ~is_out_U[interactions.users]

    asked = new[is_out_U[interactions.users[new]]]
    asked = asked[np.lexsort((random.random(len(asked)), interactions.users[asked]))]
    sizes = num_items_U[np.flatnonzero(is_out_U)]
    place = np.arange(len(asked)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    num_told = np.minimum(np.ceil(fold_in * sizes), sizes - 1)
    held_N = np.zeros(len(interactions.users), bool)
    held_N[asked[place >= np.repeat(num_told, sizes)]] = True
    held_N = _of_same_pair(interactions, held_N)
    learnable_N = np.isin(interactions.items, interactions.items[train_N])
    return hold_out(
        interactions,
        train=train_N,
        held=held_N & learnable_N,
        known=~held_N,
        excluded=~held_N | ~learnable_N,
        history=history,
    )


def split_by_time(
    interactions: Interactions,
    *,
    test: float = 0.2,
    at_us: int | None = None,
    history: int | None = 200,
) -> Holdout:
    """Learn from what came before a moment, and find what users took up after it.

    What serving does, and the default to choose a model by. Each user who took up something new to them
    is a case, with what they did before the moment as history: nothing at all, for a new user. Items
    that training never saw are candidates, and are to be found, like any other.

    Args:
        interactions: in time order.
        test: the share of the interactions after the moment; those of one moment are never parted.
        at_us: the moment itself, UTC microseconds, instead of a share.
        history: how many of the newest items the model is told; None for all.

    Raises:
        OfflineError: when nothing is left on one side of the moment.
    """
    moment_us = _moment_before(interactions, test) if at_us is None else at_us
    return _between(interactions, moment_us, None, history)


def rolling_origin(
    interactions: Interactions, *, num_folds: int = 3, test: float = 0.1, history: int | None = 200
) -> list[Holdout]:
    """Split by time at several moments: each test period has all the past before it to learn from.

    Tashman, "Out-of-sample tests of forecasting accuracy", IJF 2000.

    Args:
        interactions: in time order.
        num_folds: how many test periods.
        test: the share of the interactions in each of them.
        history: how many of the newest items the model is told; None for all.

    Raises:
        OfflineError: when the shares leave nothing to learn from, or a period has nothing to find.
    """
    if num_folds < 1:
        raise OfflineError(
            "num_folds", expected="1 or more", received=num_folds, mend="num_folds=3 with test=0.1 is usual."
        )
    moments = [_moment_before(interactions, (num_folds - fold) * test) for fold in range(num_folds)]
    ends = [*moments[1:], None]
    return [
        _between(interactions, start_us, end_us, history)
        for start_us, end_us in zip(moments, ends, strict=True)
    ]


def _between(interactions: Interactions, start_us: int, end_us: int | None, history: int | None) -> Holdout:
    before_N = interactions.times_us < start_us
    after_N = ~before_N if end_us is None else ~before_N & (interactions.times_us < end_us)
    # The first of each pair in time: who met an item before the moment has it no more to find.
    return hold_out(
        interactions,
        train=before_N,
        held=after_N & _is_new(interactions),
        known=before_N,
        excluded=before_N,
        history=history,
    )


def _moment_before(interactions: Interactions, share: float) -> int:
    """Return the time at and after which about a share of the interactions lies."""
    _require_share("test", share)
    times_us = interactions.times_us
    if len(times_us) == 0:
        raise OfflineError("interactions", expected="some", received="none", mend="Bring interactions.")
    return int(times_us[int((1.0 - share) * len(times_us))])


def _require_share(thing: str, share: float) -> None:
    if not 0 < share < 1:
        raise OfflineError(
            thing, expected="a share between 0 and 1 in all", received=f"{share:g}", mend="0.2 is usual."
        )


def _pairs(interactions: Interactions) -> NDArray[np.int64]:
    return interactions.users.astype(np.int64) * interactions.num_items + interactions.items


def _is_new(interactions: Interactions) -> NDArray[np.bool_]:
    """Whether each interaction is its user's first with the item, bool [N]."""
    is_new_N = np.zeros(len(interactions.users), bool)
    is_new_N[np.unique(_pairs(interactions), return_index=True)[1]] = True
    return is_new_N


def _of_same_pair(interactions: Interactions, rows: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether each interaction repeats one of some rows: the same user and item."""
    pairs = _pairs(interactions)
    return np.isin(pairs, pairs[rows])


def _count_so_far(interactions: Interactions, counted_N: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many counted rows each row's user has up to and with that row, int64 [N]."""
    order = np.argsort(interactions.users, kind="stable")
    running = np.cumsum(counted_N[order])
    per_user = np.bincount(interactions.users[counted_N], minlength=interactions.num_users)
    before = np.cumsum(per_user) - per_user
    counts_N = np.empty(len(order), np.int64)
    counts_N[order] = running - before[interactions.users[order]]
    return counts_N
