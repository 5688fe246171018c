"""The user-item matrix of interactions, sparse, as collaborative filtering learns from it.

N interactions, U users, I items.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from shortlist.models.retrieval import Interactions


def user_item_matrix(interactions: Interactions) -> Any:
    """Return the matrix as a SciPy `csr_array`, float32 [U, I], its columns sorted within a row.

    An entry is the greatest weight of a user's interactions with an item, so that a second visit does not
    count twice, over the mean of these, so that settings do not depend on the scale of the weights.
    Interactions of weight 0 are left out.
    """
    from scipy.sparse import csr_array  # training only

    counts_N = np.flatnonzero(interactions.weights > 0)
    users_N, items_N = interactions.users[counts_N], interactions.items[counts_N]
    weights_N = interactions.weights[counts_N]
    order = np.lexsort((-weights_N, items_N, users_N))
    users_N, items_N, weights_N = users_N[order], items_N[order], weights_N[order]
    is_first = np.ones(len(order), np.bool_)
    is_first[1:] = (np.diff(users_N) != 0) | (np.diff(items_N) != 0)
    values = weights_N[is_first].astype(np.float64)
    values /= values.mean() if len(values) else 1.0
    shape = (interactions.num_users, interactions.num_items)
    return csr_array((values.astype(np.float32), (users_N[is_first], items_N[is_first])), shape=shape)
