"""What may go wrong with a release: damaged, foreign, unknown, in use; or a bundle that may not be one."""

from __future__ import annotations

from shortlist.errors import Mendable


class ReleaseError(Mendable):
    """A release cannot be used as asked."""


class ReleaseCorrupted(ReleaseError):
    """The folder is not what its manifest promises: a file is damaged, missing, added or dangerous."""


class ReleaseForeign(ReleaseError):
    """A sound release, but of another declaration or of another version of Shortlist."""


class ReleaseNotFound(ReleaseError):
    """No release, or more than one, has this id or prefix."""


class ReleaseInUse(ReleaseError):
    """The current release may not be deleted."""


class BundleRefused(ReleaseError):
    """What was written may not become a release."""
