"""A source whose model is asked with what the user did last: its settings, its history, its function."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

from shortlist.declare.app import App
from shortlist.declare.events import Event
from shortlist.declare.features import Last
from shortlist.models.retrieval import FittedRetrieval, RetrievalModel
from shortlist.stages.arguments import check_whole
from shortlist.stages.contract import Items, Source, SourceStage
from shortlist.stages.histories import check_event, history_of
from shortlist.stages.near_history import near_history


@dataclass(frozen=True, eq=False)
class FromHistory(SourceStage):
    """Propose what `model` finds for the user's last items.

    The history's own items are not proposed: they are what the user had. It is read from the state, so an
    event that the log has acknowledged counts in the next answer.

    Args:
        n: how many.
        history: how many of the user's last items count.
        of: the event that makes the history; by default the app's first between user and item.

    Raises:
        DeclarationError: for an `n` or a `history` out of range, or an `of` that is no event.
    """

    n: int = 100
    history: int = 100
    of: Event | None = None

    def __post_init__(self) -> None:
        name = type(self).__name__
        check_whole(f"{name}, n", self.n, most=10_000, mend="Sources of 50 to 500 are usual.")
        check_whole(f"{name}, history", self.history, most=1000, mend="20 to 200 items are usual.")
        check_event(name, self.of)

    @property
    @abstractmethod
    def model(self) -> RetrievalModel:
        """What must be fitted."""

    def reads(self, app: App) -> tuple[Last]:
        """Return the history that the model is asked with."""
        return (history_of(type(self).__name__, app, self.of, n=self.history),)

    def ready(self, app: App, fitted: FittedRetrieval | None, item_codes: Items | None) -> Source:
        """Return a function that asks the model."""
        assert fitted is not None
        assert fitted.kind == self.model.kind
        assert item_codes is not None
        return near_history(fitted, self.reads(app)[0], item_codes, self.n)
