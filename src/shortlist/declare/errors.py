"""The error of a declaration: it names the thing, what was expected, what came, and the mend."""

from __future__ import annotations

from shortlist.errors import Mendable


class DeclarationError(Mendable):
    """A declaration that Shortlist cannot honour; raised where it is written, not where it is used."""
