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

_WORD = 0xFFFFFFFF
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
            pool = np.arange(num_exploited, min(num_exploited + self.pool, slate.num_clean))
            # A seed sequence mixes its words, so that seeds 1, 2, 3, ... draw independently.
            draw = np.random.Generator(np.random.PCG64(_words(query.seed)))
            drawn = draw.permutation(pool)[:slots]
            places = drawn_places(query.k, slots)
            is_drawn = np.zeros(query.k, np.bool_)
            is_drawn[places] = True
            order = np.empty(len(slate), np.int64)
            shown = order[: query.k]
            shown[places] = drawn
            shown[~is_drawn] = np.arange(num_exploited)
            is_left = np.ones(len(slate), np.bool_)
            is_left[shown] = False
            order[query.k :] = np.flatnonzero(is_left)
            explored = slate.ordered(order)
            explored.propensities[places] = 1.0 / len(pool)  # a copy of its own
            return explored

        return rerank


def _words(seed: int) -> NDArray[np.uint32]:
    """Return the words that a seed sequence makes of [seed, _STREAM], which takes it longer."""
    words = [seed & _WORD]
    while seed := seed >> 32:
        words.append(seed & _WORD)
    return np.array([*words, _STREAM], np.uint32)


def drawn_places(k: int, slots: int) -> NDArray[np.int64]:
    """Return the 0-based places that are drawn: the middles of `slots` equal parts of k places."""
    return (2 * np.arange(slots) + 1) * k // (2 * slots)
