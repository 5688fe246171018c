"""What a stage is: a frozen dataclass of settings that, once a release is loaded, becomes a function.

A stage is declared before anything is known (`sl.Popular(n=100)`); `ready` binds it to a declaration
and to what was fitted for it, and returns the function that serves. Functions never change their
arguments. Items and users are codes of `query.state`, private to one process.

C candidates, n proposed, I items of the release.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from shortlist.declare.features import Feature
from shortlist.declare.surface import Role
from shortlist.index.allowed import Allowed

if TYPE_CHECKING:
    from shortlist.declare.app import App
    from shortlist.features.online import OnlineState
    from shortlist.models.retrieval import FittedRetrieval, RetrievalModel

Items = NDArray[np.int64]


@dataclass(frozen=True)
class Query:
    """One request, resolved.

    Args:
        user: the user's code, -1 for one never seen.
        k: how many items to show.
        time_us: the request's moment.
        context: what the request brought, by name.
        seed: decides this request's exploration; a whole number from 0.
        state: what the log says.
        allowed: what is worth proposing, as the filters drop the rest: an item of the release by its number
            there, 0..I-1, any item, younger ones too, at I + its code. It may be a moment old. None for
            everything.
    """

    user: int
    k: int
    time_us: int
    context: Mapping[str, object]
    seed: int
    state: OnlineState
    allowed: Allowed | None = None


@dataclass(frozen=True)
class Retrieved:
    """What a source proposes: items [n], each once, best first, and its own scores float32 [n]."""

    items: Items
    scores: NDArray[np.float32]


@dataclass(frozen=True)
class Slate:
    """Candidates in the order in which they would be shown, best first.

    Args:
        items: int64 [C], each once.
        scores: float64 [C], what ranked them; re-rankers move scores with their items.
        sources: int64 [C]; bit i is set when source i of the surface proposed the item.
        propensities: float64 [C] in (0, 1]: the probability, given the candidates, that this item
            stands in this place; 1 where nothing was drawn.
        num_clean: candidates from this place on break a rule, or have no finite score; they are
            shown only if nothing else is left.
    """

    items: Items
    scores: NDArray[np.float64]
    sources: Items
    propensities: NDArray[np.float64]
    num_clean: int

    def __len__(self) -> int:
        return len(self.items)

    def ordered(self, order: NDArray[np.int64], *, num_clean: int | None = None) -> Slate:
        """Return the slate with the candidate of place `order[i]` in place i; `order` is a permutation.

        Args:
            order: int64 [C].
            num_clean: of the new slate; by default that of this one.
        """
        return Slate(
            self.items[order],
            self.scores[order],
            self.sources[order],
            self.propensities[order],
            self.num_clean if num_clean is None else num_clean,
        )


Source = Callable[[Query], Retrieved]
Filter = Callable[[Query, Items], NDArray[np.bool_]]
Reranker = Callable[[Query, Slate], Slate]


class _Stage(ABC):  # noqa: B024, its kinds say what must be written
    def reads(self, app: App) -> Sequence[Feature]:
        """Return the features that this stage needs kept, besides the declared ones.

        Raises:
            DeclarationError: when the app cannot carry this stage.
        """
        return ()


class SourceStage(_Stage):
    """Proposes candidates. Sources run side by side and may fail."""

    role: ClassVar[Role] = "source"

    @property
    def model(self) -> RetrievalModel | None:
        """What must be fitted for this source, None when nothing must."""
        return None

    @abstractmethod
    def ready(self, app: App, fitted: FittedRetrieval | None, item_codes: Items | None) -> Source:
        """Return the function that proposes.

        Args:
            app: the declaration.
            fitted: what `model` became; it numbers items 0..I-1 in its release's own order.
            item_codes: int64 [I], the code in the state of each of the release's items; -1 for an
                item that the state has never seen. None when there is no release.
        """


class FilterStage(_Stage):
    """Drops candidates: gives bool [C], true where a candidate is kept. Only filters drop."""

    role: ClassVar[Role] = "filter"

    @abstractmethod
    def ready(self, app: App) -> Filter:
        """Return the function that says which candidates are kept."""


class RerankStage(_Stage):
    """Orders candidates: gives back the same candidates, none lost, none new.

    A stage that draws at random sets `randomises`; it must stand last, since an order changed after
    the draw would no longer be shown with the logged propensities.
    """

    role: ClassVar[Role] = "reranker"
    randomises: ClassVar[bool] = False

    @abstractmethod
    def ready(self, app: App) -> Reranker:
        """Return the function that orders."""
