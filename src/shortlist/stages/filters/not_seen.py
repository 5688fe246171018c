"""Nothing twice: drop what the user already had.

C candidates, H items of the history.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.declare.app import App
from shortlist.declare.events import Event
from shortlist.declare.features import Last
from shortlist.declare.types import duration_us
from shortlist.features.kernels.arrays import as_int64
from shortlist.stages.arguments import check_whole
from shortlist.stages.contract import Filter, FilterStage, Items, Query
from shortlist.stages.histories import check_event, history_of
from shortlist.stages.kernels import places_among


@dataclass(frozen=True, eq=False)
class NotSeen(FilterStage):
    """Drop the items of the user's last `n` events of a kind.

    Args:
        within: how far back, a duration such as "30d".
        n: how many events at most; it bounds what is kept of every user.
        of: the event that counts; by default the app's first event between user and item.

    Raises:
        DeclarationError: for a `within` that is no duration, an `n` outside 1 to 10,000, or an `of`
            that is no event.
    """

    within: str = "30d"
    n: int = 500
    of: Event | None = None

    def __post_init__(self) -> None:
        duration_us("NotSeen, within", self.within)
        check_whole("NotSeen, n", self.n, most=10_000, mend="Remember 500 or so.")
        check_event("NotSeen", self.of)

    def reads(self, app: App) -> tuple[Last]:
        """Return the history of what was seen."""
        return (history_of("NotSeen", app, self.of, n=self.n, within=self.within),)

    def ready(self, app: App) -> Filter:
        """Return a function that keeps what is not in the user's history."""
        (history,) = self.reads(app)

        def keep(query: Query, items: Items) -> NDArray[np.bool_]:
            if query.user < 0:
                return np.ones(len(items), np.bool_)
            seen_H = query.state.history(history, query.user, query.time_us)
            return places_among(as_int64(items), seen_H) < 0

        return keep
