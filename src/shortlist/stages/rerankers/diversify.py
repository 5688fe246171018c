"""Not all of one kind: what repeats a value must be that much better.

C clean candidates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.declare.app import App
from shortlist.declare.errors import DeclarationError
from shortlist.declare.expressions import Attribute
from shortlist.stages.contract import Query, Reranker, RerankStage, Slate
from shortlist.stages.groups import check_nominal, check_of_item, groups
from shortlist.stages.kernels import debts, is_falling

_USUAL = 1024  # candidates, for which the powers are kept


@dataclass(frozen=True, eq=False)
class Diversify(RerankStage):
    """Fill the slate from the top, each place with the candidate that is worth most there.

    A candidate's worth is its relevance times (1 - strength)^m, where m candidates of the same
    value stand above it: the greedy trade of relevance against repetition of Carbonell & Goldstein
    ("The use of MMR", SIGIR 1998), with the discount of xQuAD (Santos et al., WWW 2010) for a
    candidate that has one aspect. Relevance is the score, shifted and scaled to 0..1 over the
    slate, so that the unit of the score, and negative scores, do not matter. Unknown values do not repeat.

    Args:
        attribute: an attribute of the item, of type str or bool.
        strength: what a repetition costs: 0 nothing, 1 everything.

    Raises:
        DeclarationError: for an attribute that names nothing, or a strength outside 0 to 1.
    """

    attribute: Attribute
    strength: float = 0.2

    def __post_init__(self) -> None:
        check_nominal("Diversify, attribute", self.attribute)
        number = isinstance(self.strength, (int, float)) and not isinstance(self.strength, bool)
        if not (number and 0 <= self.strength <= 1):
            raise DeclarationError(
                "Diversify, strength",
                expected="a number from 0 to 1",
                received=repr(self.strength),
                mend="0.2 makes the fourth of a kind worth half: sl.Diversify(video.topic, strength=0.2).",
            )

    def reads(self, app: App) -> tuple[()]:
        """Check that the attribute is the item's; no feature is read."""
        check_of_item("Diversify, attribute", app, self.attribute)
        return ()

    def ready(self, app: App) -> Reranker:
        """Return a function that orders by discounted relevance."""
        self.reads(app)
        powers = _powers(1.0 - self.strength, _USUAL)

        def rerank(query: Query, slate: Slate) -> Slate:
            clean = slate.num_clean
            group = groups(query, self.attribute, slate.items[:clean])
            # Place i gets the i-th highest score: in the order of the scores that is its own, and after a
            # re-ranker the order that it decided still holds. Within a value, worth then falls from the top
            # too, so the greedy choice always meets a value's candidates in their order, the m-th of them
            # with m before it: sorting by worth gives the greedy order, without the loop.
            scores = np.array(slate.scores[:clean], np.float64)
            if not is_falling(scores):
                scores = -np.sort(-scores)
            discounts = powers if clean <= _USUAL else _powers(1.0 - self.strength, clean)
            order = np.arange(len(slate))
            order[:clean] = debts(scores, group, discounts).argsort(kind="stable")
            return slate.ordered(order)

        return rerank


def _powers(base: float, num: int) -> NDArray[np.float64]:
    return np.asarray(base ** np.arange(num), np.float64)
