"""The project's server as a process of its own, on a copy of its data that is thrown away afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from shortlist.cli.errors import DemoFailed
from shortlist.cli.project import Project

_ENDS_WITHIN_S = 30
_ADDRESS = "The API"


def _link_if_final(source: str, target: str) -> None:
    """Link a sealed segment's file, which is written once; copy what may change."""
    (os.link if source.endswith(".parquet") else shutil.copy2)(source, target)


def _copy(data: Path, to: Path) -> None:
    for name in ("log", "state"):
        if (data / name).is_dir():
            shutil.copytree(data / name, to / name, copy_function=_link_if_final)
    (to / "releases").mkdir()
    if (data / "releases" / "current.json").is_file():
        shutil.copy2(data / "releases" / "current.json", to / "releases")
        shutil.copytree(data / "releases" / "releases", to / "releases" / "releases", copy_function=os.link)


@contextmanager
def served_copy(project: Project, declaration: Path) -> Iterator[str]:
    """Serve a copy of a project's data, and give its address.

    Impressions and events of a load test are no evidence, so they must not reach the project's log. The
    copy lies beside the data; what cannot change, releases and sealed segments, is linked, not copied.

    Raises:
        LogLocked: when a server of the project runs already.
        DemoFailed: when the server ends instead of serving.
    """
    with tempfile.TemporaryDirectory(prefix="load-", dir=project.data) as made:
        data = Path(made)
        with project.open_log(read_only=False):  # nobody writes while it is copied
            _copy(project.data, data)
        with (data / "errors").open("w+") as errors:
            command = [sys.executable, "-m", "shortlist.cli", "serve", "--port", "0"]
            command += ["--app", str(declaration), "--data", str(data)]
            server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
            try:
                yield _address(server, errors)
            finally:
                _end(server)


def _end(server: subprocess.Popen[str]) -> None:
    server.terminate()
    try:
        server.communicate(timeout=_ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:  # its data is thrown away, so nothing is lost
        server.kill()
        server.communicate()


def _address(server: subprocess.Popen[str], errors: IO[str]) -> str:
    assert server.stdout is not None
    for line in server.stdout:
        if line.startswith(_ADDRESS):
            return line.removeprefix(_ADDRESS).split()[0].removesuffix("/openapi.json")
    errors.seek(0)
    said = errors.read().strip()
    raise DemoFailed(f"the server ended before it served: {said or 'it said nothing'}")
