"""What lies in the direction of this user's history, in the space of a matrix factorisation."""

from __future__ import annotations

from dataclasses import dataclass

from shortlist.models.matrix_factorisation import MatrixFactorisation
from shortlist.stages.from_history import FromHistory


@dataclass(frozen=True, eq=False)
class ImplicitALS(FromHistory):
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

    @property
    def model(self) -> MatrixFactorisation:
        """The item vectors that must be found."""
        return MatrixFactorisation(gap_half_life=None)
