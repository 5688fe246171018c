"""What every source does whose model is asked with a history: read it, translate it, ask, translate back.

n proposed, L items of the history, I items of the release.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist.declare.features import Last
from shortlist.features.kernels.arrays import as_int64
from shortlist.features.kernels.distinct import distinct
from shortlist.models.retrieval import FittedRetrieval, UserBatch
from shortlist.stages import kernels
from shortlist.stages.contract import Items, Query, Retrieved, Source

NOTHING = Retrieved(np.empty(0, np.int64), np.empty(0, np.float32))


def near_history(fitted: FittedRetrieval, history: Last, item_codes: Items, n: int) -> Source:
    """Return a function that proposes what a model finds for a user's history, newest first.

    The history's own items are not proposed: they are what the user had. It is read from the state,
    so an event that the log has acknowledged counts in the next answer.

    Args:
        fitted: the model; it numbers items 0..I-1.
        history: which items make the history.
        item_codes: int64 [I], the code in the state of each of these items, -1 where it has none.
        n: how many to propose.
    """
    number_of_code, item_codes = numbers_of_codes(item_codes), as_int64(item_codes)

    def propose(query: Query) -> Retrieved:
        codes_L = history_codes(query, history)
        numbers_L = numbers_in(number_of_code, codes_L)
        if not (numbers_L >= 0).any():
            return NOTHING
        found, scores = fitted.retrieve(UserBatch(numbers_L[None, :]), n + len(codes_L), query.allowed)
        items, places = kernels.new_among(as_int64(found[0]), item_codes, codes_L, n)
        return Retrieved(items, scores[0, places])

    return propose


def history_codes(query: Query, history: Last) -> Items:
    """Return the codes of the user's last items, int64 [L], newest first; none for a user never seen.

    Of an item that was touched more than once only the newest place is kept: models learn from histories
    in which each item stands once.
    """
    if query.user < 0:
        return np.empty(0, np.int64)
    codes = as_int64(query.state.history(history, query.user, query.time_us))
    found, places = np.empty_like(codes), np.empty_like(codes)
    return found[: distinct(codes, found, places)]


def numbers_of_codes(item_codes: Items) -> NDArray[np.int32]:
    """Return the release's number of each code of the state, and last a -1, where code -1 finds it."""
    size = int(item_codes.max(initial=-1)) + 1
    numbers = np.full(size + 1, -1, np.int32)
    known = np.flatnonzero(item_codes >= 0)
    numbers[item_codes[known]] = known
    return numbers


def numbers_in(number_of_code: NDArray[np.int32], codes_L: Items) -> NDArray[np.int32]:
    """Return the release's number of each code from 0, int32 [L]; -1 for an item younger than the release."""
    return number_of_code.take(codes_L, mode="clip")
