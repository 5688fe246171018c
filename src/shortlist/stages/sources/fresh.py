"""What is new: items that nobody could have touched yet get their chance.

n proposed, I items of the release.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shortlist.declare.app import App
from shortlist.declare.errors import DeclarationError
from shortlist.declare.expressions import Attribute
from shortlist.declare.types import duration_us
from shortlist.models.retrieval import FittedRetrieval
from shortlist.stages.arguments import check_whole
from shortlist.stages.contract import Items, Query, Retrieved, Source, SourceStage

_LOOKED_AT = 64  # times n, of the newest, where a query allows some items only


@dataclass(frozen=True, eq=False)
class Fresh(SourceStage):
    """Propose the newest items, newest first; never one whose moment has not come yet.

    It reads the state, not a release, so an item is proposed as soon as the log knows of it. The
    score is 1 for an item of this moment and falls to 0 at the window's end.

    Args:
        within: how old an item may be, a duration such as "1d".
        n: how many.
        by: the item's attribute of type `sl.Time`; needed only when it has several.

    Raises:
        DeclarationError: for a `within` that is no duration, an `n` outside 1 to 10,000, or a `by`
            that is no time.
    """

    within: str
    n: int = 50
    by: Attribute | None = None

    def __post_init__(self) -> None:
        duration_us("Fresh, within", self.within)
        check_whole("Fresh, n", self.n, most=10_000, mend="Sources of 50 to 500 are usual.")
        if self.by is not None and not (isinstance(self.by, Attribute) and self.by.type == "time"):
            raise DeclarationError(
                "Fresh, by",
                expected="an attribute of type sl.Time",
                received=repr(self.by),
                mend="Declare it, published=sl.Time, and pass video.published.",
            )

    def reads(self, app: App) -> tuple[()]:
        """Check that the item says when it appeared; no feature is read."""
        self._moment(app)
        return ()

    def ready(self, app: App, fitted: FittedRetrieval | None, item_codes: Items | None) -> Source:
        """Return a function that reads off the order in which the state keeps its items' moments.

        Fewer than n come where less than one in `_LOOKED_AT` of the newest is allowed.
        """
        moment = self._moment(app).name
        within_us = duration_us("Fresh, within", self.within)
        num_items = 0 if item_codes is None else len(item_codes)

        def propose(query: Query) -> Retrieved:
            num_looked_at = self.n if query.allowed is None else _LOOKED_AT * self.n
            with query.state.lock:
                table = query.state.items
                newest = table.newest(moment, query.time_us - within_us, query.time_us, num_looked_at)
                if query.allowed is not None:
                    newest = newest[query.allowed.has(num_items + newest)][: self.n]
                times_n = table.stored(moment, newest)
            age = (query.time_us - times_n) / within_us
            return Retrieved(newest, (1.0 - age).astype(np.float32))

        return propose

    def _moment(self, app: App) -> Attribute:
        item = app.item_entity
        moments = [attribute for attribute in item.attributes.values() if attribute.type == "time"]
        if self.by is not None:
            moments = [attribute for attribute in moments if attribute is self.by]
        if len(moments) != 1:
            raise DeclarationError(
                f"Fresh, by={self.by}",
                expected=f"the moment {item} appeared: its one attribute of type sl.Time, or which of them",
                received=[
                    str(attribute) for attribute in item.attributes.values() if attribute.type == "time"
                ],
                mend=f"Declare {item}(published=sl.Time), or name it: sl.Fresh(..., by={item}.published).",
            )
        return moments[0]
