"""The error of a funnel that cannot be built; once built, a funnel raises nothing."""

from __future__ import annotations

from shortlist.errors import Mendable


class FunnelError(Mendable):
    """A surface and a release that do not belong together."""
