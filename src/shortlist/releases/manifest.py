"""The manifest: what a release is, what lies in it, and the checksums that hold it together."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NewType

import msgspec
import numpy as np

from shortlist.releases.errors import ReleaseCorrupted, ReleaseForeign

FORMAT = 3
MANIFEST = "manifest.json"

ReleaseId = NewType("ReleaseId", str)
Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
NotNegative = Annotated[int, msgspec.Meta(ge=0)]


class _Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Decoded strictly: every field there, no other."""


class FeatureField(_Record, frozen=True):
    """A column that the models read, in its place: its name, and its kind such as "number"."""

    name: str
    kind: str


class DataRange(_Record, frozen=True):
    """What the models were fitted on: log times in UTC microseconds, `[first_us, last_us]`."""

    first_us: int
    last_us: int
    num_examples: NotNegative


class Metadata(_Record, frozen=True):
    """What the trainer says of a release.

    Args:
        app: the name of the app.
        fingerprint: of the declaration that the release was built for.
        as_of_seq: the last log position it was built from.
        data: the range of data the models were fitted on.
        features: the feature schema, in column order.
        stages: for each surface its stages in order, as printed in the declaration.
        p99_ms: the latency budget of each surface.
        metrics: for each model its metrics; None where one is not defined.
        sections: anything else, as plain JSON values.
    """

    app: str
    fingerprint: str
    as_of_seq: NotNegative
    data: DataRange
    features: tuple[FeatureField, ...]
    stages: dict[str, tuple[str, ...]]
    p99_ms: dict[str, float]
    metrics: dict[str, dict[str, float | None]]
    sections: dict[str, Any]


class FileEntry(_Record, frozen=True):
    """One file of the bundle: its size in bytes and its checksum."""

    size: NotNegative
    sha256: Sha256


class Manifest(_Record, frozen=True):
    """The whole of `manifest.json`; `seal` is the checksum of all the rest."""

    format: int
    id: ReleaseId
    created_at: Annotated[datetime, msgspec.Meta(tz=True)]
    metadata: Metadata
    files: dict[str, FileEntry]
    seal: str


def release_id(files: dict[str, FileEntry], metadata: Metadata) -> ReleaseId:
    """Return the content hash of a release: its files, its declaration, its feature schema.

    The time it was made is no part of it, so the same content has the same id.
    """
    content = (sorted(files.items()), metadata.fingerprint, metadata.features)
    return ReleaseId(hashlib.sha256(_compact(content)).hexdigest())


def sealed(manifest: Manifest) -> Manifest:
    """Return the manifest with the checksum of its other fields."""
    digest = hashlib.sha256(_compact(msgspec.structs.replace(manifest, seal="")))
    return msgspec.structs.replace(manifest, seal=digest.hexdigest())


def encode(manifest: Manifest) -> bytes:
    """Write a manifest as the one text that stands for it."""
    return msgspec.json.format(_compact(manifest), indent=1) + b"\n"


def normalised(metadata: Metadata) -> Metadata:
    """Return the metadata as it will be read back: whole numbers as floats, NumPy numbers as Python's.

    Raises:
        msgspec.ValidationError: a field has the wrong type.
        TypeError: a value has no JSON form.
    """
    return msgspec.json.decode(_compact(metadata), type=Metadata)


def read_manifest(folder: Path) -> Manifest:
    """Read a release's manifest; what it lists is not looked at.

    Raises:
        ReleaseCorrupted: when it is missing, damaged, or was edited.
        ReleaseForeign: when another version of Shortlist wrote it.
    """
    path = folder / MANIFEST
    try:
        content = path.read_bytes()
        written_as = msgspec.json.decode(content, type=_Versioned).format
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _corrupted(path, error) from error
    if written_as != FORMAT:
        raise ReleaseForeign(
            path,
            expected=f"manifest format {FORMAT}",
            received=f"format {written_as}",
            mend="Open it with the version of Shortlist that wrote it, or train again.",
        )
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
        # One text only stands for a manifest, so a changed byte shows even where JSON would not mind.
        if encode(manifest) != content or sealed(manifest) != manifest:
            raise _corrupted(path, "a text that does not match its seal")
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise _corrupted(path, error) from error
    return manifest


class _Versioned(msgspec.Struct):
    format: int


def _corrupted(path: Path, received: object) -> ReleaseCorrupted:
    return ReleaseCorrupted(
        path,
        expected="the manifest of a release, as it was written",
        received=received,
        mend="Restore the release from a copy, or train again.",
    )


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} {value!r} has no JSON form")


def _compact(value: object) -> bytes:
    return msgspec.json.encode(value, enc_hook=_plain)
