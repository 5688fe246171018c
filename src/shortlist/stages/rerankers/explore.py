"""Some places are for finding out: drawn at random, with the exact probability written down.

C clean candidates, k places, P candidates in the pool.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from shortlist.declare.app import App
from shortlist.declare.errors import DeclarationError
from shortlist.stages.arguments import check_whole
from shortlist.stages.contract import Query, Reranker, RerankStage, Slate
from shortlist.stages.drawing import explored

_WORD = 2**63 - 1
_STREAM = 0x5E4  # keeps these draws apart from others made with the same seed


@dataclass(frozen=True)
class Explore(RerankStage):
    """Give `slots` places of the slate to candidates drawn from below it.

    The best k - slots candidates keep their order in the other places, with propensity 1. The pool
    is the next `pool` clean candidates; the drawn places are filled from it uniformly, without
    replacement, so each item of the pool stands in each drawn place with probability 1 / P: the
    exact propensity, given the candidates. The same seed draws the same.

    Drawn places are the middles of `slots` equal parts of the slate: ranks 6 and 16 for two of 20.
    At most half of the places are drawn, however short the slate. When no more than k clean
    candidates are there, all of them are shown anyway: nothing is drawn, every propensity is 1.

    The pool holds clean candidates only, so every rule that they satisfy together (AtMost) still
    holds. It must be the last re-ranker.

    Args:
        slots: how many places.
        pool: how many candidates at most to draw from.

    Raises:
        DeclarationError: for `slots` outside 1 to 100, or a `pool` not larger than `slots`.
    """

    slots: int = 2
    pool: int = 200
    randomises: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_whole("Explore, slots", self.slots, most=100, mend="Two of 20 is a good start.")
        check_whole("Explore, pool", self.pool, most=10_000, mend="200 is a good start.")
        if self.pool <= self.slots:
            raise DeclarationError(
                "Explore, pool",
                expected=f"more than slots={self.slots}",
                received=self.pool,
                mend="Drawing all of the pool explores nothing: sl.Explore(slots=2, pool=200).",
            )

    def ready(self, app: App) -> Reranker:
        """Return a function that draws."""

        def rerank(query: Query, slate: Slate) -> Slate:
            slots = min(self.slots, query.k // 2)
            num_exploited = query.k - slots
            if slots == 0 or slate.num_clean <= query.k:
                return slate
            num_pooled = min(self.pool, slate.num_clean - num_exploited)
            order, places = explored(len(slate), query.k, slots, num_pooled, _words(query.seed))
            shown = slate.ordered(order)
            shown.propensities[places] = 1.0 / num_pooled  # a copy of its own
            return shown

        return rerank


def _words(seed: int) -> NDArray[np.int64]:
    words = [_STREAM, seed & _WORD]
    while seed := seed >> 63:
        words.append(seed & _WORD)
    return np.array(words, np.int64)
