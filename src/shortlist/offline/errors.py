"""What may go wrong offline: a log that holds too little to learn from, or settings that leave nothing."""

from __future__ import annotations

from shortlist.errors import Mendable


class OfflineError(Mendable):
    """A dataset, a training or a backtest cannot be made of what is there."""
