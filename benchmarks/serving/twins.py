"""A second release with the same models, in files of its own: to swap to, to damage, to serve another app."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec

from shortlist.releases import BundleWriter, Registry, ReleaseId
from shortlist.releases.manifest import MANIFEST
from shortlist.releases.model_card import CARD

_NAME = "twin.json"


def twin(registry: Registry, name: str, fingerprint: str | None = None) -> ReleaseId:
    """Write the current release again as another one; it is not promoted.

    Args:
        registry: where.
        name: lies in it, and so makes its id.
        fingerprint: of the declaration it may be served for; by default that of the current one.
    """
    current = registry.current()
    assert current is not None
    release = registry.open(current)
    metadata = release.manifest.metadata
    with BundleWriter(registry.folder) as bundle:
        shutil.copytree(
            release.folder, bundle.folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(MANIFEST, CARD),
            copy_function=_copy,
        )  # fmt: skip
        # An id is a hash of the files: the same ones would be the same release.
        (bundle.folder / _NAME).write_text(json.dumps(name))
        id = bundle.commit(msgspec.structs.replace(metadata, fingerprint=fingerprint or metadata.fingerprint))
    assert id != current
    return id


def damage(folder: Path) -> Path:
    """Flip the bits of some bytes in the middle of a release's largest file, and return its path."""
    path = max((one for one in folder.rglob("*") if one.is_file()), key=lambda one: one.stat().st_size)
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        some = file.read(64)
        file.seek(-len(some), 1)
        file.write(bytes(255 - one for one in some))
    return path


def _copy(source: str, target: str) -> None:
    shutil.copyfile(source, target)  # without the write protection of what is released
