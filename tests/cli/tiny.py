"""A small project of the video recipe, built by the verbs themselves, once for all tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner, Result

from shortlist.cli.verbs import cli

SHORTLIST = [sys.executable, "-m", "shortlist.cli"]
WORLD = ["--users", "200", "--videos", "400", "--impressions", "10000", "--days", "14"]


def shortlist(*arguments: object, status: int = 0) -> Result:
    """Run a verb in this process, in the current folder."""
    ran = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert ran.exit_code == status, f"status {ran.exit_code}: {ran.output} {ran.exception!r}"
    return ran


def in_process_of_its_own(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a verb as a user does."""
    command = [*SHORTLIST, *(str(argument) for argument in arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def trained(root: Path) -> Path:
    """Return a project with a log and a release, made by the first caller; copy it to change it."""
    folder = root / "tiny-project"
    if not folder.exists():
        before = Path.cwd()
        folder.mkdir()
        os.chdir(folder)
        try:
            shortlist("init")
            shortlist("world", *WORLD)
            shortlist("train")
        finally:
            os.chdir(before)
    return folder


def copy(root: Path, to: Path) -> Path:
    """Return a copy of the trained project."""
    return Path(shutil.copytree(trained(root), to))
