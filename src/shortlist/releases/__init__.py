"""Releases: one immutable, checksummed folder each, and one pointer to the current one."""

from __future__ import annotations

from shortlist.releases.bundle import BundleWriter
from shortlist.releases.errors import (
    BundleRefused,
    ReleaseCorrupted,
    ReleaseError,
    ReleaseForeign,
    ReleaseInUse,
    ReleaseNotFound,
)
from shortlist.releases.manifest import DataRange, FeatureField, Manifest, Metadata, ReleaseId
from shortlist.releases.registry import Registry, ReleaseInfo
from shortlist.releases.verify import Release, open_release

__all__ = [
    "BundleRefused",
    "BundleWriter",
    "DataRange",
    "FeatureField",
    "Manifest",
    "Metadata",
    "Registry",
    "Release",
    "ReleaseCorrupted",
    "ReleaseError",
    "ReleaseForeign",
    "ReleaseId",
    "ReleaseInUse",
    "ReleaseInfo",
    "ReleaseNotFound",
    "open_release",
]
