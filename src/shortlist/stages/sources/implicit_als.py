"""What lies in the direction of this user's history, in the space of a matrix factorisation."""

from __future__ import annotations

from dataclasses import dataclass

from shortlist.declare.app import App
from shortlist.declare.events import Event
from shortlist.declare.features import Last
from shortlist.models.matrix_factorisation import FittedMatrixFactorisation, MatrixFactorisation
from shortlist.models.retrieval import FittedRetrieval
from shortlist.stages.arguments import check_whole
from shortlist.stages.contract import Items, Source, SourceStage
from shortlist.stages.histories import check_event, history_of
from shortlist.stages.near_history import near_history


@dataclass(frozen=True, eq=False)
class ImplicitALS(SourceStage):
    """Propose the items whose vectors fit the user's best; see `MatrixFactorisation`.

    The user's vector is solved for at each request, from the history in the state: nobody waits for a
    training to have one. Its settings are chosen in training, by people left out.

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
        check_whole("ImplicitALS, n", self.n, most=10_000, mend="Sources of 50 to 500 are usual.")
        check_whole("ImplicitALS, history", self.history, most=1000, mend="50 to 200 items are usual.")
        check_event("ImplicitALS", self.of)

    @property
    def model(self) -> MatrixFactorisation:
        """The item vectors that must be found."""
        return MatrixFactorisation(gap_half_life=None)

    def reads(self, app: App) -> tuple[Last]:
        """Return the history that a user's vector is solved from."""
        return (history_of("ImplicitALS", app, self.of, n=self.history),)

    def ready(self, app: App, fitted: FittedRetrieval | None, item_codes: Items | None) -> Source:
        """Return a function that solves for the user and searches the index."""
        assert isinstance(fitted, FittedMatrixFactorisation)
        assert item_codes is not None
        return near_history(fitted, self.reads(app)[0], item_codes, self.n)
