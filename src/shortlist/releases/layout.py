"""Where things lie in a registry's folder, and how what nobody needs any more is taken away.

releases/<id>/   the releases; a folder appears and disappears whole
staging/<any>/   bundles being written, and folders being deleted
proofs/<id>/     what was measured of a release after it was made; it goes with the release
current.json     the pointer
lock             held while any of these change
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from shortlist.durable import sync
from shortlist.releases.durable import claim, make_folder
from shortlist.releases.manifest import ReleaseId


@dataclass(frozen=True)
class Layout:
    """The paths inside the folder of a registry."""

    folder: Path

    @property
    def releases(self) -> Path:
        """The folder of all releases."""
        return self.folder / "releases"

    @property
    def staging(self) -> Path:
        """The folder of what is not a release yet, or not any more."""
        return self.folder / "staging"

    @property
    def pointer(self) -> Path:
        """The file that names the current release."""
        return self.folder / "current.json"

    @property
    def lock(self) -> Path:
        """The lock file."""
        return self.folder / "lock"

    def release(self, id: ReleaseId) -> Path:
        """The folder of one release."""
        return self.releases / id

    def proofs(self, id: ReleaseId) -> Path:
        """The folder of one release's proofs; there may be none."""
        return self.folder / "proofs" / id

    def make(self) -> None:
        """Make the folders that are missing."""
        for folder in (self.folder, self.releases, self.staging):
            make_folder(folder)

    def discard(self, release: Path) -> None:
        """Take a release away at once, then remove its files; the caller holds the lock.

        A process that has mapped its files keeps them.
        """
        doomed = Path(tempfile.mkdtemp(dir=self.staging))
        release.rename(doomed / release.name)
        sync(release.parent)
        shutil.rmtree(doomed)

    def sweep(self) -> None:
        """Remove what dead processes left in staging; the caller holds the lock."""
        for left in self.staging.iterdir():
            claimed = claim(left)
            if claimed is not None:
                shutil.rmtree(left, ignore_errors=True)
                os.close(claimed)
