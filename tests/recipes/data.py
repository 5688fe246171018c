"""Where the real data sets are, or a skip that says they are not there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def data_folder(name: str) -> Path:
    """Return the folder of a data set below SHORTLIST_DATA, or below shared/data beside the repository."""
    folder = Path(os.environ.get("SHORTLIST_DATA", ROOT.parent / "shared" / "data")) / name
    if not folder.is_dir():
        pytest.skip(f"no data set {name}: set SHORTLIST_DATA to the folder that holds it")
    return folder
