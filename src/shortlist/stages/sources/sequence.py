"""What comes next: a transformer reads the user's history in its order."""

from __future__ import annotations

from dataclasses import dataclass

from shortlist.models.sequence_transformer import SequenceTransformer
from shortlist.stages.from_history import FromHistory


@dataclass(frozen=True, eq=False)
class Sequence(FromHistory):
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

    history: int = 200

    @property
    def model(self) -> SequenceTransformer:
        """The transformer that must be fitted."""
        return SequenceTransformer(history=self.history)
