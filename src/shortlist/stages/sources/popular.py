"""What everybody interacts with now, the same for every user.

n proposed, I items of the release.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shortlist.declare.app import App
from shortlist.models.popularity import FittedPopularity, Popularity
from shortlist.models.retrieval import FittedRetrieval
from shortlist.stages.arguments import check_whole
from shortlist.stages.contract import Items, Query, Retrieved, Source, SourceStage


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
        """Return a function that always proposes the same list, made once."""
        assert isinstance(fitted, FittedPopularity)
        assert item_codes is not None
        numbers, scores = fitted.top(self.n)
        codes = item_codes[numbers]
        known = codes >= 0
        items, scores = codes[known], np.asarray(scores[known], np.float32)
        items.flags.writeable = scores.flags.writeable = False
        proposed = Retrieved(items, scores)

        def propose(query: Query) -> Retrieved:
            return proposed

        return propose
