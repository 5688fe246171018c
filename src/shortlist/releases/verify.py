"""Opening a release: nothing of it is used before all of it has been checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shortlist.releases.contents import sha256_of, walk, why_unsafe_content, why_unsafe_name
from shortlist.releases.errors import ReleaseCorrupted, ReleaseForeign
from shortlist.releases.manifest import MANIFEST, Manifest, Metadata, ReleaseId, read_manifest, release_id

_MEND = "Restore the release from a copy, or train again; the current release keeps serving."


@dataclass(frozen=True)
class Release:
    """A release that was checked: its folder and its manifest."""

    folder: Path
    manifest: Manifest

    @property
    def id(self) -> ReleaseId:
        """The content hash of the release."""
        return self.manifest.id

    @property
    def metadata(self) -> Metadata:
        """What the trainer said of it."""
        return self.manifest.metadata

    def path(self, name: str) -> Path:
        """Return where a file of the release lies.

        Args:
            name: the file's path inside the bundle, with forward slashes.

        Raises:
            ReleaseCorrupted: when the manifest does not list it.
        """
        if name not in self.manifest.files:
            raise ReleaseCorrupted(
                self.folder / name,
                expected=f"one of the {len(self.manifest.files)} files of release {self.id[:12]}",
                received="a name that its manifest does not list",
                mend="Publish a release that holds it.",
            )
        return self.folder / name


def open_release(folder: Path, expected_fingerprint: str | None = None) -> Release:
    """Check a release and open it.

    Every listed file must be there with its size and checksum, and nothing else; no link, no path that
    leaves the folder, no format that can run code.

    Args:
        folder: the folder of one release.
        expected_fingerprint: of the declaration to serve; None accepts any.

    Raises:
        ReleaseCorrupted: when the folder is not what its manifest promises.
        ReleaseForeign: when it is of another declaration, or of another version of Shortlist.
    """
    manifest = read_manifest(folder)
    _check_declaration(folder, manifest, expected_fingerprint)
    if manifest.id != release_id(manifest.files, manifest.metadata):
        raise _corrupted(folder / MANIFEST, "the id of its content", manifest.id)
    for name in manifest.files:
        if reason := why_unsafe_name(name):
            raise _corrupted(folder / MANIFEST, "only plain data files", f"{name!r}: {reason}")
    _check_nothing_added(folder, manifest)
    for name in manifest.files:
        _check_file(folder, name, manifest)
    return Release(folder, manifest)


def _check_declaration(folder: Path, manifest: Manifest, expected_fingerprint: str | None) -> None:
    found = manifest.metadata.fingerprint
    if expected_fingerprint is not None and found != expected_fingerprint:
        raise ReleaseForeign(
            folder,
            expected=f"a release of the declaration with fingerprint {expected_fingerprint}",
            received=f"one of app {manifest.metadata.app!r} with fingerprint {found}",
            mend="Serve the declaration that it was trained for, or train this one.",
        )


def _check_nothing_added(folder: Path, manifest: Manifest) -> None:
    for name, entry in walk(folder):
        if not entry.is_file(follow_symlinks=False):
            raise _corrupted(folder / name, "a plain file", "a link or a special file")
        if name != MANIFEST and name not in manifest.files:
            raise _corrupted(folder / name, "only the files that the manifest lists", "one more")


def _check_file(folder: Path, name: str, manifest: Manifest) -> None:
    path, entry = folder / name, manifest.files[name]
    if not path.is_file():
        raise _corrupted(path, f"a file of {entry.size} bytes", "none")
    if (size := path.stat().st_size) != entry.size:
        raise _corrupted(path, f"{entry.size} bytes", f"{size} bytes")
    if (sha256 := sha256_of(path)) != entry.sha256:
        raise _corrupted(path, f"sha256 {entry.sha256}", f"sha256 {sha256}")
    if reason := why_unsafe_content(path):
        raise _corrupted(path, "a file that holds data only", reason)


def _corrupted(thing: Path, expected: str, received: str) -> ReleaseCorrupted:
    return ReleaseCorrupted(thing, expected=expected, received=received, mend=_MEND)
