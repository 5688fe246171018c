"""What a user did that a verb cannot honour."""

from __future__ import annotations

from shortlist.errors import Mendable


class UsageError(Mendable):
    """Something on the command line, or in the project's folder; the exit status is 2."""


class DemoFailed(Exception):
    """The demo did not show what it should; the exit status is 1."""
