"""The registry: which releases there are, which one serves, and how that changes, atomically."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from shortlist.releases.durable import exclusive
from shortlist.releases.errors import ReleaseCorrupted, ReleaseError, ReleaseInUse, ReleaseNotFound
from shortlist.releases.layout import Layout
from shortlist.releases.manifest import Manifest, ReleaseId, read_manifest
from shortlist.releases.pointer import Move, read_pointer, write_pointer
from shortlist.releases.proofs import add_proof, list_proofs, remove_proofs
from shortlist.releases.verify import Release, open_release


@dataclass(frozen=True)
class ReleaseInfo:
    """One line of the list of releases; `manifest` is None, and `problem` says why, when it is damaged."""

    id: ReleaseId
    created_at: datetime
    is_current: bool
    manifest: Manifest | None
    problem: str | None


class Registry:
    """Releases in a folder, and one pointer to the current one.

    Any number of processes may share it. Whoever changes it takes a lock; readers take none, and see
    the old pointer or the new one, never a part.

    Args:
        folder: the registry's folder; made when it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self._layout = Layout(folder)
        self._layout.make()

    @property
    def folder(self) -> Path:
        """The registry's folder, which `BundleWriter` writes into."""
        return self._layout.folder

    def list(self) -> list[ReleaseInfo]:
        """Describe every release, newest first; the files in them are not checked."""
        current = self.current()
        found = [self._info(ReleaseId(folder.name), current) for folder in self._layout.releases.iterdir()]
        infos = [info for info in found if info is not None]
        return sorted(infos, key=lambda info: (info.created_at, info.id), reverse=True)

    def resolve(self, prefix: str) -> ReleaseId:
        """Return the one id that begins with `prefix`.

        Raises:
            ReleaseNotFound: when none does, or more than one.
        """
        ids = sorted(folder.name for folder in self._layout.releases.iterdir())
        found = [id for id in ids if prefix and id.startswith(prefix)]
        if len(found) != 1:
            raise ReleaseNotFound(
                f"release {prefix!r}",
                expected="an id, or the beginning of one only",
                received=", ".join(id[:12] for id in found) or f"no match among {len(ids)} releases",
                mend="`shortlist releases` lists them.",
            )
        return ReleaseId(found[0])

    def open(self, prefix: str, expected_fingerprint: str | None = None) -> Release:
        """Check a release and open it.

        Args:
            prefix: its id, or the beginning of it if no other begins so.
            expected_fingerprint: of the declaration to serve; None accepts any.

        Raises:
            ReleaseNotFound: when no release, or more than one, has that id.
            ReleaseCorrupted: when the folder is not what its manifest promises.
            ReleaseForeign: when it is of another declaration, or of another version of Shortlist.
        """
        id = self.resolve(prefix)
        release = open_release(self._layout.release(id), expected_fingerprint)
        if release.id != id:
            raise ReleaseCorrupted(
                release.folder,
                expected=f"release {id}",
                received=f"release {release.id}",
                mend="Give the folder its own name back.",
            )
        return release

    def current(self) -> ReleaseId | None:
        """Return the id of the release that serves, or None before the first promotion."""
        id = read_pointer(self._layout.pointer).current
        return None if id is None else ReleaseId(id)

    def history(self) -> tuple[Move, ...]:
        """Return the promotions and rollbacks so far, newest first."""
        return read_pointer(self._layout.pointer).moves[::-1]

    def promote(self, prefix: str, expected_fingerprint: str | None = None) -> ReleaseId:
        """Check a release, then make it the current one; nothing changes when it is that already.

        Raises:
            ReleaseError: as `open`; the current release stays.
        """
        with exclusive(self._layout.lock):
            id = self.open(prefix, expected_fingerprint).id
            pointer = read_pointer(self._layout.pointer)
            if pointer.current != id:
                write_pointer(self._layout.pointer, pointer.promoted(id))
        return id

    def rollback(self) -> ReleaseId:
        """Check the release that was promoted before the current one, and make it current again.

        Raises:
            ReleaseError: when there is none before, or as `open`; the current release stays.
        """
        with exclusive(self._layout.lock):
            pointer = read_pointer(self._layout.pointer)
            if not pointer.previous:
                raise ReleaseError(
                    "rollback",
                    expected="a release that was current before",
                    received="none",
                    mend="Promote the release that should serve.",
                )
            id = self.open(pointer.previous[-1]).id
            write_pointer(self._layout.pointer, pointer.rolled_back())
        return id

    def delete(self, prefix: str) -> ReleaseId:
        """Remove a release; a rollback passes it over from now on.

        Raises:
            ReleaseInUse: when it is the current one.
            ReleaseNotFound: when no release, or more than one, has that id.
        """
        with exclusive(self._layout.lock):
            id = self.resolve(prefix)
            pointer = read_pointer(self._layout.pointer)
            if id == pointer.current:
                raise ReleaseInUse(
                    f"release {id}",
                    expected="one that does not serve",
                    received="the current one",
                    mend="Promote another release first.",
                )
            write_pointer(self._layout.pointer, pointer.without(id))
            self._layout.discard(self._layout.release(id))
            remove_proofs(self._layout.proofs(id))
        return id

    def prove(self, prefix: str, proof: bytes) -> Path:
        """Keep what was measured of a release beside it, for the release itself cannot change.

        Args:
            prefix: its id, or the beginning of it if no other begins so.
            proof: a JSON object.

        Returns:
            The file it was written to.

        Raises:
            ReleaseNotFound: when no release, or more than one, has that id.
        """
        with exclusive(self._layout.lock):
            return add_proof(self._layout.proofs(self.resolve(prefix)), proof)

    def proofs(self, prefix: str) -> tuple[Path, ...]:
        """Return the files of a release's proofs, newest first; raises as `prove`."""
        return list_proofs(self._layout.proofs(self.resolve(prefix)))

    def _info(self, id: ReleaseId, current: ReleaseId | None) -> ReleaseInfo | None:
        folder = self._layout.release(id)
        try:
            manifest = read_manifest(folder)
        except ReleaseError as error:
            if not folder.exists():  # deleted since it was listed
                return None
            made = datetime.fromtimestamp(folder.stat().st_mtime, UTC)
            return ReleaseInfo(id, made, id == current, None, str(error))
        return ReleaseInfo(id, manifest.created_at, id == current, manifest, None)
