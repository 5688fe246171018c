"""Writing a release: a private folder becomes, in one rename, an immutable release; or leaves no trace."""

from __future__ import annotations

import json
import math
import os
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

import msgspec

from shortlist.durable import sync
from shortlist.releases.contents import sha256_of, walk, why_unsafe_content, why_unsafe_name
from shortlist.releases.durable import claim, exclusive, write_durably
from shortlist.releases.errors import BundleRefused, ReleaseCorrupted
from shortlist.releases.layout import Layout
from shortlist.releases.manifest import (
    FORMAT,
    MANIFEST,
    FileEntry,
    Manifest,
    Metadata,
    ReleaseId,
    encode,
    normalised,
    release_id,
    sealed,
)
from shortlist.releases.model_card import CARD, render_card
from shortlist.releases.verify import open_release


class BundleWriter:
    """A folder to write weights, indexes and vocabularies into, and to commit as a release.

        with BundleWriter(registry_folder) as bundle:
            model.save(bundle.folder / "ranker")
            release_id = bundle.commit(metadata)

    Leaving the block without a commit, or by a crash, publishes nothing. What a crash left behind is
    swept by the next writer.

    Args:
        registry_folder: the folder of the registry; made when it is not there.
    """

    folder: Path

    def __init__(self, registry_folder: Path) -> None:
        self._layout = Layout(registry_folder)
        self._claim: int | None = None
        self._committed = False

    def __enter__(self) -> BundleWriter:
        self._layout.make()
        with exclusive(self._layout.lock):
            self._layout.sweep()
            self.folder = Path(tempfile.mkdtemp(dir=self._layout.staging))
            self._claim = claim(self.folder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        assert self._claim is not None, "a new folder can be claimed"
        os.close(self._claim)

    def commit(self, metadata: Metadata) -> ReleaseId:
        """Publish the folder as a release; it is not current until it is promoted.

        Adds the model card and the manifest, forces everything to the disk, and renames the folder into
        place. Content that is there already is left as it is, unless it is damaged: then this replaces it.

        Args:
            metadata: what to say of the release.

        Returns:
            The release's id: the hash of its content.

        Raises:
            BundleRefused: a file may not lie in a release, or the metadata has no JSON form.
        """
        assert not self._committed, "a bundle is committed once"
        metadata = _checked(metadata)
        self._refuse_unsafe_files()
        card = render_card(metadata, self._entries())
        (self.folder / CARD).write_text(card, encoding="utf-8")
        files = self._entries()
        manifest = sealed(
            Manifest(
                format=FORMAT,
                id=release_id(files, metadata),
                created_at=datetime.now(UTC),
                metadata=metadata,
                files=files,
                seal="",
            )
        )
        write_durably(self.folder / MANIFEST, encode(manifest))
        self._force_to_disk()
        self._move_into_place(manifest.id)
        self._committed = True
        return manifest.id

    def _refuse_unsafe_files(self) -> None:
        for name, entry in walk(self.folder):
            reason = why_unsafe_name(name)
            if not entry.is_file(follow_symlinks=False):
                reason = "a link or a special file"
            elif name in (MANIFEST, CARD):
                reason = "a name that the commit writes itself"
            if reason := reason or why_unsafe_content(Path(entry.path)):
                raise BundleRefused(
                    name,
                    expected="a plain data file",
                    received=reason,
                    mend="Write arrays as .npy or .safetensors, tables as .parquet or .arrow, text as .json.",
                )

    def _entries(self) -> dict[str, FileEntry]:
        return {
            name: FileEntry(size=entry.stat().st_size, sha256=sha256_of(Path(entry.path)))
            for name, entry in sorted(walk(self.folder), key=lambda pair: pair[0])
        }

    def _force_to_disk(self) -> None:
        for here, _, names in os.walk(self.folder, topdown=False):
            for name in names:
                path = Path(here, name)
                path.chmod(0o444)
                sync(path)
            sync(Path(here))

    def _move_into_place(self, id: ReleaseId) -> None:
        target = self._layout.release(id)
        with exclusive(self._layout.lock):
            if target.exists():
                try:
                    open_release(target)
                except ReleaseCorrupted:
                    self._layout.discard(target)
                else:
                    return
            self.folder.chmod(0o755)
            self.folder.rename(target)
            sync(target.parent)


def _checked(metadata: Metadata) -> Metadata:
    """Refuse what JSON would change in silence, such as NaN, which it writes as null."""
    try:
        for row in metadata.metrics.values():
            for name, value in row.items():
                if value is not None and not math.isfinite(value):
                    raise ValueError(f"metric {name!r} is {value}")
        json.dumps(metadata.sections, allow_nan=False)
        return normalised(metadata)
    except (TypeError, ValueError, msgspec.MsgspecError) as error:
        raise BundleRefused(
            "metadata",
            expected="finite numbers and plain JSON values",
            received=error,
            mend="Write None for a metric that is not defined.",
        ) from error
