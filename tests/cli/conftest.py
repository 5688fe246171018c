from __future__ import annotations

from pathlib import Path

import pytest

from cli import tiny


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def project(tmp_path_factory, tmp_path, monkeypatch) -> Path:
    """A trained project to work in, and to change."""
    made = tiny.copy(tmp_path_factory.getbasetemp(), tmp_path / "project")
    monkeypatch.chdir(made)
    return made
