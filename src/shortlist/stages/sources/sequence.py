"""What comes next: a transformer reads the user's history in its order."""

from __future__ import annotations

from dataclasses import dataclass

from shortlist.declare.app import App
from shortlist.declare.events import Event
from shortlist.declare.features import Last
from shortlist.models.retrieval import FittedRetrieval
from shortlist.models.sequence_transformer import FittedSequenceTransformer, SequenceTransformer
from shortlist.stages.arguments import check_whole
from shortlist.stages.contract import Items, Source, SourceStage
from shortlist.stages.histories import check_event, history_of
from shortlist.stages.near_history import near_history


@dataclass(frozen=True, eq=False)
class Sequence(SourceStage):
    """Propose what a transformer predicts after the user's last items; see `SequenceTransformer`.

    The history's own items are not proposed: they are what the user had. It is read from the state,
    so a watch that the log has acknowledged counts in the next answer.

    Args:
        n: how many.
        history: how many of the user's last items are read.
        of: the event that makes the history; by default the app's first between user and item.

    Raises:
        DeclarationError: for an `n` or a `history` out of range, or an `of` that is no event.
    """

    n: int = 100
    history: int = 200
    of: Event | None = None

    def __post_init__(self) -> None:
        check_whole("Sequence, n", self.n, most=10_000, mend="Sources of 50 to 500 are usual.")
        check_whole("Sequence, history", self.history, most=1000, mend="50 to 200 items are usual.")
        check_event("Sequence", self.of)

    @property
    def model(self) -> SequenceTransformer:
        """The transformer that must be fitted."""
        return SequenceTransformer(history=self.history)

    def reads(self, app: App) -> tuple[Last]:
        """Return the history that is read."""
        return (history_of("Sequence", app, self.of, n=self.history),)

    def ready(self, app: App, fitted: FittedRetrieval | None, item_codes: Items | None) -> Source:
        """Return a function that asks the transformer what comes after the history."""
        assert isinstance(fitted, FittedSequenceTransformer)
        assert item_codes is not None
        return near_history(fitted, self.reads(app)[0], item_codes, self.n)
