"""Not all from one: at most so many candidates that share a value.

C candidates.
"""

from __future__ import annotations

from dataclasses import dataclass

from shortlist.declare.app import App
from shortlist.declare.expressions import Attribute
from shortlist.stages.arguments import check_whole
from shortlist.stages.contract import Query, Reranker, RerankStage, Slate
from shortlist.stages.groups import check_nominal, check_of_item, groups
from shortlist.stages.kernels import limited


@dataclass(frozen=True, eq=False)
class AtMost(RerankStage):
    """Keep the first `num` candidates of each value in place, and put the others behind the rest.

    Nothing is dropped: a candidate over the limit is shown when the slate could not be filled
    otherwise. Candidates whose value is unknown are not limited. Several such rules hold together.

    Args:
        num: how many of one value.
        per: an attribute of the item, of type str or bool.

    Raises:
        DeclarationError: for a `num` outside 1 to 1000, or a `per` that names nothing.
    """

    num: int
    per: Attribute

    def __post_init__(self) -> None:
        check_whole("AtMost, num", self.num, most=1000, mend="sl.AtMost(1, per=video.creator).")
        check_nominal("AtMost, per", self.per)

    def reads(self, app: App) -> tuple[()]:
        """Check that the attribute is the item's; no feature is read."""
        check_of_item("AtMost, per", app, self.per)
        return ()

    def ready(self, app: App) -> Reranker:
        """Return a function that counts from the top."""
        self.reads(app)

        def rerank(query: Query, slate: Slate) -> Slate:
            clean = slate.num_clean
            group = groups(query, self.per, slate.items[:clean])
            order, num_within = limited(group, self.num, len(slate))
            return slate.ordered(order, num_clean=num_within)

        return rerank
