"""Proofs: what was measured of a release after it was made, such as its latency under load.

A release is named by its content, so nothing can be added to it. Its proofs are files beside it, one a
measurement, named by when they were written.
"""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

from shortlist.releases.durable import make_folder, replace_durably


def add_proof(folder: Path, proof: bytes) -> Path:
    """Write a proof durably and return its file; the caller holds the registry's lock.

    Args:
        folder: of the release's proofs; made when missing.
        proof: a JSON object.
    """
    assert isinstance(json.loads(proof), dict), "a proof is a JSON object"
    make_folder(folder)
    path = folder / f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%S.%f}.json"
    replace_durably(path, proof)
    return path


def list_proofs(folder: Path) -> tuple[Path, ...]:
    """Return the proofs in a folder, newest first; none where there is no folder."""
    return tuple(sorted(folder.glob("*.json"), reverse=True))


def remove_proofs(folder: Path) -> None:
    """Remove a release's proofs with it."""
    shutil.rmtree(folder, ignore_errors=True)
