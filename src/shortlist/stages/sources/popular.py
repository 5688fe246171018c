"""What everybody interacts with now, the same for every user.

n proposed, I items of the release, M looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shortlist.declare.app import App
from shortlist.models.popularity import FittedPopularity, Popularity
from shortlist.models.retrieval import FittedRetrieval
from shortlist.stages.arguments import check_whole
from shortlist.stages.contract import Items, Query, Retrieved, Source, SourceStage

_LOOKED_AT = 64  # times n, of the most popular, where a query allows some items only


@dataclass(frozen=True)
class Popular(SourceStage):
    """Propose the release's most popular items; see `Popularity` for how they are counted.

    Args:
        n: how many.
        half_life: after how long an interaction counts half, a duration such as "1d".

    Raises:
        DeclarationError: for an `n` outside 1 to 10,000, or a `half_life` that is no duration.
    """

    n: int = 100
    half_life: str = "1d"

    def __post_init__(self) -> None:
        check_whole("Popular, n", self.n, most=10_000, mend="Sources of 50 to 500 are usual.")
        Popularity(self.half_life)

    @property
    def model(self) -> Popularity:
        """The popularity that must be fitted."""
        return Popularity(self.half_life)

    def ready(self, app: App, fitted: FittedRetrieval | None, item_codes: Items | None) -> Source:
        """Return a function that proposes the head of one list, or what is allowed of its beginning.

        Fewer than n come where less than one in `_LOOKED_AT` of the most popular is allowed.
        """
        assert isinstance(fitted, FittedPopularity)
        assert item_codes is not None
        top_M, scores_M = fitted.top(_LOOKED_AT * self.n)
        is_known_M = item_codes[top_M] >= 0
        numbers_M, scores_M = top_M[is_known_M].astype(np.int64), np.asarray(scores_M[is_known_M], np.float32)
        codes_M, n = item_codes[numbers_M], self.n
        codes_M.flags.writeable = scores_M.flags.writeable = False
        proposed = Retrieved(codes_M[:n], scores_M[:n])

        def propose(query: Query) -> Retrieved:
            if query.allowed is None:
                return proposed
            places_n = np.flatnonzero(query.allowed.has(numbers_M))[:n]
            return Retrieved(codes_M[places_n], scores_M[places_n])

        return propose
