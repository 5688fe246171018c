"""What may go wrong offline: a log that holds too little to learn from, or settings that leave nothing."""

from __future__ import annotations


class OfflineError(ValueError):
    """A dataset, a training or a backtest cannot be made of what is there.

    Args:
        thing: the log, label or setting at fault.
        expected: what should have been there.
        received: what was there.
        mend: what to do now.
    """

    def __init__(self, thing: str, *, expected: str, received: object, mend: str) -> None:
        super().__init__(f"{thing}: expected {expected}, received {received}. {mend}")
        self.thing = thing
        self.mend = mend
