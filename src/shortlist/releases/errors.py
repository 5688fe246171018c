"""What may go wrong with a release: damaged, foreign, unknown, in use; or a bundle that may not be one."""

from __future__ import annotations


class ReleaseError(ValueError):
    """A release cannot be used as asked.

    Args:
        thing: the file, release or argument at fault.
        expected: what should have been there.
        received: what was there.
        mend: what to do now.
    """

    def __init__(self, thing: object, *, expected: str, received: object, mend: str) -> None:
        super().__init__(f"{thing}: expected {expected}, received {received}. {mend}")
        self.thing = str(thing)
        self.mend = mend


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
