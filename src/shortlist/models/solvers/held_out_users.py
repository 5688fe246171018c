"""Choose a setting by people whom training does not see: their newest items must be found from their older.

B people left out, L history, T target, I items, n items listed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shortlist.models.retrieval import NO_ITEM, FittedRetrieval, Interactions, UserBatch

ALL_ALIKE = 100_000.0
"""A half-life, in places of a history, by which no item of it has faded."""
HALF_LIVES = (3.0, 10.0, 30.0, 100.0, 300.0, ALL_ALIKE)
"""Among which it is chosen how fast a history fades."""

_SHARE = 0.1  # of the users are left out
_MOST_USERS = 1000  # enough that two settings 1 % apart are told apart
_TARGET_SHARE = 0.2  # of each one's items, the newest, are to be found,
_MOST_TARGETS = 5  # but no more: what comes next is what serving is asked for
_MOST_ITEMS = 300  # of each one's items are looked at
_LISTED = 100
_BATCH = 128


def best_by_held_out_users(
    settings: Sequence[float],
    start: int,
    fit: Callable[[float, Interactions], FittedRetrieval],
    interactions: Interactions,
    seed: int,
) -> float:
    """Return which setting finds best what people left out did last: NDCG@100, seen items excluded.

    Only the middle of a range of settings is likely: the search starts at one and goes on, to either side, as
    long as that helps.

    Args:
        settings: what there is to choose from, in order.
        start: the place of the one to begin with.
        fit: fits a setting on those who stay.
        interactions: what there is to learn from.
        seed: decides who is left out.

    Returns:
        The best; that at `start` when there are too few people to tell.
    """
    train, history_BL, target_BT = leave_out(interactions, seed)
    if len(history_BL) == 0:
        return settings[start]
    found: dict[int, float] = {}

    def quality(place: int) -> float:
        if place not in found:
            found[place] = mean_ndcg(fit(settings[place], train), history_BL, target_BT)
        return found[place]

    best = start
    for towards in (1, -1):
        while 0 <= best + towards < len(settings) and quality(best + towards) > quality(best):
            best += towards
        if best != start:
            break
    return settings[best]


def leave_out(
    interactions: Interactions, seed: int
) -> tuple[Interactions, NDArray[np.int32], NDArray[np.int32]]:
    """Return the interactions of those who stay, and history and target of those who are left out.

    Each one's distinct items, by their last interaction, are cut where the newest fifth begins, or the newest
    five; who has fewer than two is never left out.

    Returns:
        Interactions, histories int32 [B, L] newest first, and targets int32 [B, T], both padded with -1.
    """
    users_N = interactions.users
    pair_N = users_N.astype(np.int64) * interactions.num_items + interactions.items
    last_N = len(pair_N) - 1 - np.unique(pair_N[::-1], return_index=True)[1]
    last_N = last_N[interactions.weights[last_N] > 0]
    num_items_U = np.bincount(users_N[last_N], minlength=interactions.num_users)
    able = np.flatnonzero(num_items_U >= 2)
    num_left_out = min(_MOST_USERS, int(_SHARE * len(able)))
    left_out = np.sort(np.random.default_rng(seed).permutation(able)[:num_left_out])
    is_left_out_U = np.zeros(interactions.num_users, np.bool_)
    is_left_out_U[left_out] = True
    newest_first_N = np.sort(last_N[is_left_out_U[users_N[last_N]]])[::-1]
    newest_first_N = newest_first_N[np.argsort(users_N[newest_first_N], kind="stable")]
    each = np.split(interactions.items[newest_first_N], np.cumsum(num_items_U[left_out])[:-1])
    each = [items[:_MOST_ITEMS] for items in each] if num_left_out else []
    num_targets = [min(_MOST_TARGETS, max(1, round(_TARGET_SHARE * len(items)))) for items in each]
    targets = [items[:count] for items, count in zip(each, num_targets, strict=True)]
    histories = [items[count:] for items, count in zip(each, num_targets, strict=True)]
    stay_N = np.flatnonzero(~is_left_out_U[users_N])
    train = replace(
        interactions,
        users=users_N[stay_N],
        items=interactions.items[stay_N],
        times_us=interactions.times_us[stay_N],
        weights=interactions.weights[stay_N],
    )
    return train, _padded(histories), _padded(targets)


def mean_ndcg(fitted: FittedRetrieval, history_BL: NDArray[np.int32], target_BT: NDArray[np.int32]) -> float:
    """Return the mean over people of NDCG@100 of their targets, with the history's items not listed."""
    gains_n = 1.0 / np.log2(np.arange(_LISTED) + 2.0)
    total = 0.0
    for start in range(0, len(history_BL), _BATCH):
        batch_BL = history_BL[start : start + _BATCH]
        listed_Bn, _ = fitted.retrieve(UserBatch(batch_BL), _LISTED + batch_BL.shape[1])
        for listed, history, target in zip(listed_Bn, batch_BL, target_BT[start:], strict=False):
            new = listed[(listed >= 0) & ~np.isin(listed, history)][:_LISTED]
            wanted = target[target >= 0]
            hits = np.isin(new, wanted)
            total += gains_n[: len(new)][hits].sum() / gains_n[: len(wanted)].sum()
    return total / len(history_BL)


def _padded(rows: Sequence[NDArray[np.int32]]) -> NDArray[np.int32]:
    padded = np.full((len(rows), max(map(len, rows), default=0)), NO_ITEM, np.int32)
    for row, items in zip(padded, rows, strict=True):
        row[: len(items)] = items
    return padded
