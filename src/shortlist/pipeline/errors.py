"""The error of a funnel that cannot be built; once built, a funnel raises nothing."""

from __future__ import annotations


class FunnelError(ValueError):
    """A surface and a release that do not belong together."""

    def __init__(self, thing: str, *, expected: str, received: object, mend: str) -> None:
        super().__init__(f"{thing}: expected {expected}, received {received}. {mend}")
