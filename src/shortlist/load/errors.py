"""What was asked of the load generator that it cannot do."""

from __future__ import annotations

from shortlist.errors import Mendable


class LoadError(Mendable):
    """An amount, a requirement, an address or a list of users that cannot be used."""


class ServerGone(Exception):
    """Nobody answers at the address; not the user's mistake alone, for a server may have died."""
