"""More like what this user just had: the neighbours of their last items."""

from __future__ import annotations

from dataclasses import dataclass

from shortlist.models.co_visitation import CoVisitation
from shortlist.stages.from_history import FromHistory


@dataclass(frozen=True, eq=False)
class ItemToItem(FromHistory):
    """Propose items that the same people visit close to the user's last ones; see `CoVisitation`.

    The history's own items are not proposed: they are what the user had. It is read from the state,
    so a watch that the log has acknowledged counts in the next answer.

    Args:
        n: how many.
        history: how many of the user's last items count, the newest most.
        of: the event that makes the history; by default the app's first between user and item.

    Raises:
        DeclarationError: for an `n` or a `history` out of range, or an `of` that is no event.
    """

    history: int = 50

    @property
    def model(self) -> CoVisitation:
        """The neighbours that must be found."""
        return CoVisitation(history=self.history)
