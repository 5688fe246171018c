"""What the items of this user's history speak for, taken together."""

from __future__ import annotations

from dataclasses import dataclass

from shortlist.models.linear_autoencoder import LinearAutoencoder
from shortlist.stages.from_history import FromHistory


@dataclass(frozen=True, eq=False)
class Ease(FromHistory):
    """Propose the items that the user's last ones speak for, taken together; see `LinearAutoencoder`.

    Unlike `ItemToItem` it weighs an item of the history against the others, and an item may speak against
    another. Its ridge, and how fast a history fades, are chosen in training, by people left out.

    Args:
        n: how many.
        history: how many of the user's last items count.
        of: the event that makes the history; by default the app's first between user and item.

    Raises:
        DeclarationError: for an `n` or a `history` out of range, or an `of` that is no event.
    """

    @property
    def model(self) -> LinearAutoencoder:
        """The weights that must be found."""
        return LinearAutoencoder(gap_half_life=None)
