"""More like what this user just had: the neighbours of their last items.

n proposed, L items of the history, I items of the release.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.declare.app import App
from shortlist.declare.events import Event
from shortlist.declare.features import Last
from shortlist.models.co_visitation import CoVisitation, FittedCoVisitation
from shortlist.models.contract import FittedRetrieval
from shortlist.stages.arguments import check_whole
from shortlist.stages.contract import Items, Query, Retrieved, Source, SourceStage
from shortlist.stages.histories import check_event, history_of
from shortlist.stages.membership import among


@dataclass(frozen=True, eq=False)
class ItemToItem(SourceStage):
    """Propose items that the same people visit close to the user's last ones; see `CoVisitation`.

    The history's own items are not proposed: they are what the user had. It is read from the state,
    so a watch that the log has acknowledged counts in the next answer.

    Args:
        n: how many.
        history: how many of the user's last items count, the newest most.
        of: the event that makes the history; by default the app's first between user and item.

    Raises:
        DeclarationError: for an `n` or a `history` out of range, or an `of` that is no event.
    """

    n: int = 100
    history: int = 50
    of: Event | None = None

    def __post_init__(self) -> None:
        check_whole("ItemToItem, n", self.n, most=10_000, mend="Sources of 50 to 500 are usual.")
        check_whole("ItemToItem, history", self.history, most=1000, mend="20 to 100 items are usual.")
        check_event("ItemToItem", self.of)

    @property
    def model(self) -> CoVisitation:
        """The neighbours that must be found."""
        return CoVisitation(history=self.history)

    def reads(self, app: App) -> tuple[Last]:
        """Return the history whose neighbours are proposed."""
        return (history_of("ItemToItem", app, self.of, n=self.history),)

    def ready(self, app: App, fitted: FittedRetrieval | None, item_codes: Items | None) -> Source:
        """Return a function that adds up the neighbours of the history."""
        assert isinstance(fitted, FittedCoVisitation)
        assert item_codes is not None
        (history,) = self.reads(app)
        number_of_code = _inverse(item_codes)

        def propose(query: Query) -> Retrieved:
            if query.user < 0:
                return Retrieved(np.empty(0, np.int64), np.empty(0, np.float32))
            codes_L = query.state.history(history, query.user, query.time_us)
            is_known = codes_L < len(number_of_code)
            numbers_L = number_of_code[np.where(is_known, codes_L, -1)]
            numbers, scores = fitted.score_history(numbers_L, self.n + len(codes_L))
            items = item_codes[numbers]
            is_new = (items >= 0) & ~among(items, codes_L)
            return Retrieved(items[is_new][: self.n], scores[is_new][: self.n])

        return propose


def _inverse(item_codes: Items) -> NDArray[np.int32]:
    """Return the release's number of each code of the state, and last a -1, where code -1 finds it."""
    size = int(item_codes.max(initial=-1)) + 1
    numbers = np.full(size + 1, -1, np.int32)
    known = np.flatnonzero(item_codes >= 0)
    numbers[item_codes[known]] = known
    return numbers
