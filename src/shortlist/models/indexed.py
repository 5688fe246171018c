"""Giving a fitted model of vectors the index that suits its catalogue, by how it is going to be asked.

N interactions, B users asked for, L history, D width.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist.index.choose import choose_index
from shortlist.models.retrieval import NO_ITEM, FittedVectors, Interactions, UserBatch

_MOST_USERS = 400
_HISTORY = 50


def indexed(
    fitted: FittedVectors,
    interactions: Interactions,
    *,
    n: int = 100,
    memory_bytes: int | None = None,
    seed: int = 0,
) -> FittedVectors:
    """Return the same model with the index that `choose_index` builds for it.

    It is tuned and judged on the vectors of some users, as serving would make them of their last items.

    Args:
        fitted: the model.
        interactions: what it was fitted on.
        n: how many items it will be asked for.
        memory_bytes: most that its searches may go through; None for no limit.
        seed: draws the users, and is that of the index.

    Raises:
        IndexBudgetError: when no index fits.
    """
    users_B = np.unique(interactions.users)
    users_B = np.sort(np.random.default_rng(seed).permutation(users_B)[:_MOST_USERS])
    known = interactions.user_attributes
    attributes = None if known is None else known.values[users_B]
    queries_BD = fitted.user_vectors(UserBatch(_histories(interactions, users_B), attributes))
    chosen = choose_index(fitted.index.vectors, queries_BD, n=n, memory_bytes=memory_bytes, seed=seed)
    return fitted.with_index(chosen)


def _histories(interactions: Interactions, users_B: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the last items of some users, newest first, each once, int32 [B, L]."""
    is_asked_N = np.isin(interactions.users, users_B)
    users_N, items_N = interactions.users[is_asked_N][::-1], interactions.items[is_asked_N][::-1]
    history_BL = np.full((len(users_B), _HISTORY), NO_ITEM, np.int32)
    for history_L, user in zip(history_BL, users_B, strict=True):
        items = items_N[users_N == user][:_HISTORY]
        items = items[np.sort(np.unique(items, return_index=True)[1])]
        history_L[: len(items)] = items
    return history_BL
