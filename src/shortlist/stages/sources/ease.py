"""What the items of this user's history speak for, taken together."""

from __future__ import annotations

from dataclasses import dataclass

from shortlist.declare.app import App
from shortlist.declare.events import Event
from shortlist.declare.features import Last
from shortlist.models.linear_autoencoder import FittedLinearAutoencoder, LinearAutoencoder
from shortlist.models.retrieval import FittedRetrieval
from shortlist.stages.arguments import check_whole
from shortlist.stages.contract import Items, Source, SourceStage
from shortlist.stages.histories import check_event, history_of
from shortlist.stages.near_history import near_history


@dataclass(frozen=True, eq=False)
class Ease(SourceStage):
    """Propose the items that the user's last ones speak for, taken together; see `LinearAutoencoder`.

    Unlike `ItemToItem` it weighs an item of the history against the others, and an item may speak against
    another. Its ridge, and how fast a history
    fades, are chosen in training, by people left out.

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
        check_whole("Ease, n", self.n, most=10_000, mend="Sources of 50 to 500 are usual.")
        check_whole("Ease, history", self.history, most=1000, mend="50 to 200 items are usual.")
        check_event("Ease", self.of)

    @property
    def model(self) -> LinearAutoencoder:
        """The weights that must be found."""
        return LinearAutoencoder(gap_half_life=None)

    def reads(self, app: App) -> tuple[Last]:
        """Return the history that predicts."""
        return (history_of("Ease", app, self.of, n=self.history),)

    def ready(self, app: App, fitted: FittedRetrieval | None, item_codes: Items | None) -> Source:
        """Return a function that adds up the weights of the history."""
        assert isinstance(fitted, FittedLinearAutoencoder)
        assert item_codes is not None
        return near_history(fitted, self.reads(app)[0], item_codes, self.n)
