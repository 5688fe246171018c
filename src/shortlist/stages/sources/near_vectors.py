"""Near what this user just had, by vectors that were made elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from shortlist.declare.app import App
from shortlist.declare.events import Event
from shortlist.declare.features import Last
from shortlist.models.retrieval import FittedRetrieval
from shortlist.models.vector_table import FittedVectorTable, VectorTable
from shortlist.stages.arguments import check_whole
from shortlist.stages.contract import Items, Source, SourceStage
from shortlist.stages.histories import check_event, history_of
from shortlist.stages.near_history import near_history


@dataclass(frozen=True, eq=False)
class NearVectors(SourceStage):
    """Propose the items whose vectors are nearest to the mean of the user's last ones; see `VectorTable`.

    Args:
        path: of a Parquet file with the columns `item` and `vector`; read in training.
        n: how many.
        history: how many of the user's last items count.
        of: the event that makes the history; by default the app's first between user and item.

    Raises:
        DeclarationError: for an `n` or a `history` out of range, or an `of` that is no event.
    """

    path: str
    n: int = 100
    history: int = 10
    of: Event | None = None

    def __post_init__(self) -> None:
        check_whole("NearVectors, n", self.n, most=10_000, mend="Sources of 50 to 500 are usual.")
        check_whole("NearVectors, history", self.history, most=1000, mend="5 to 20 items are usual.")
        check_event("NearVectors", self.of)

    @property
    def model(self) -> VectorTable:
        """The table that must be read."""
        return VectorTable(self.path, history=self.history)

    def reads(self, app: App) -> tuple[Last]:
        """Return the history whose vectors make the user's."""
        return (history_of("NearVectors", app, self.of, n=self.history),)

    def ready(self, app: App, fitted: FittedRetrieval | None, item_codes: Items | None) -> Source:
        """Return a function that searches near the history."""
        assert isinstance(fitted, FittedVectorTable)
        assert item_codes is not None
        return near_history(fitted, self.reads(app)[0], item_codes, self.n)
