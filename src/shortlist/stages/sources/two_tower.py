"""What suits this user, by history and attributes, new items included.

n proposed, I items of the release, L history, D width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shortlist.declare.app import App
from shortlist.features.attributes import attribute_rows
from shortlist.models.retrieval import FittedRetrieval, UserBatch
from shortlist.models.two_towers import FittedTwoTowers, TwoTowers
from shortlist.stages.contract import Items, Query, Retrieved, Source
from shortlist.stages.from_history import FromHistory
from shortlist.stages.membership import among
from shortlist.stages.near_history import NOTHING, history_codes, numbers_in, numbers_of_codes
from shortlist.stages.newcomers import Newcomers


@dataclass(frozen=True, eq=False)
class TwoTower(FromHistory):
    """Propose the items whose vectors lie in the direction of the user's; see `TwoTowers`.

    History and attributes are read from the state, so what the log has acknowledged counts in the next
    answer. An item that is younger than the release is placed by its attributes, and proposed beside the
    others as soon as the log knows of it. The history's own items are not proposed: they are what the user
    had. Of whom nothing is known gets nothing: that is for `Popular`.

    Args:
        n: how many.
        history: how many of the user's last items count.
        of: the event that makes the history; by default the app's first between user and item.

    Raises:
        DeclarationError: for an `n` or a `history` out of range, or an `of` that is no event.
    """

    n: int = 300
    history: int = 50

    @property
    def model(self) -> TwoTowers:
        """The towers that must be fitted."""
        return TwoTowers(history=self.history)

    def ready(self, app: App, fitted: FittedRetrieval | None, item_codes: Items | None) -> Source:
        """Return a function that places the user and searches the release's items and the new ones."""
        assert isinstance(fitted, FittedTwoTowers)
        assert item_codes is not None
        (history,) = self.reads(app)
        towers, codes_I, n = fitted, item_codes, self.n
        number_of_code = numbers_of_codes(codes_I)
        newcomers = Newcomers(towers.item_vectors, towers.items.encoding, codes_I, towers.index)

        def propose(query: Query) -> Retrieved:
            codes_L = history_codes(query, history)
            numbers_L = numbers_in(number_of_code, codes_L)
            with query.state.lock:  # a column may grow while a record is applied
                known_A = attribute_rows(query.state.users, np.array([query.user]), towers.users.encoding)
            if not ((numbers_L >= 0).any() or np.isfinite(known_A).any()):
                return NOTHING
            user_D = towers.user_vectors(UserBatch(numbers_L[None, :], known_A))[0]
            found = newcomers.nearest(query.state, user_D, n + len(codes_L), query.allowed)
            kept = np.flatnonzero(~among(found.items, codes_L))[:n]
            return Retrieved(found.items[kept], found.scores[kept])

        return propose
