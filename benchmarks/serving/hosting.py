"""A server in its own process: started, waited for, watched from outside, ended."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from serving.catalogue import Catalogue

_HERE = Path(__file__).parent
APP = _HERE / "app.py"
PEER = _HERE.parent / "peers" / "glue_serving.py"
_READY_S = 600.0
_NO_RELEASE = "No release serves"
_TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Memory:
    """Megabytes of a server's processes: RSS counts a shared page in each of them, PSS once in all."""

    rss_mb: float
    pss_mb: float


class Hosted:
    """A server that answers at `url`."""

    def __init__(self, url: str, process: subprocess.Popen[bytes], ready_s: float) -> None:
        self.url, self.ready_s = url, ready_s
        self._process = process

    def cpu_s(self) -> float:
        """Return the CPU seconds that the server's processes have used."""
        total = 0.0
        for pid in self._pids():
            user, system = _stat(Path(f"/proc/{pid}"))[11:13]
            total += (int(user) + int(system)) * _TICK_S
        return total

    def memory(self) -> Memory:
        """Return how much memory the server's processes hold."""
        rss_kb = pss_kb = 0
        for pid in self._pids():
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                name, _, rest = line.partition(":")
                rss_kb += int(rest.split()[0]) if name == "Rss" else 0
                pss_kb += int(rest.split()[0]) if name == "Pss" else 0
        return Memory(rss_kb / 1024, pss_kb / 1024)

    def get(self, path: str) -> str:
        """Return what a GET answers."""
        with urlopen(self.url + path) as answer:
            return answer.read().decode()

    def post(self, path: str, body: Mapping[str, object]) -> tuple[int, dict[str, object]]:
        """Return the status and the body of a POST."""
        request = Request(
            self.url + path, json.dumps(body).encode(), {"content-type": "application/json"}, method="POST"
        )
        try:
            with urlopen(request) as answer:
                return answer.status, json.loads(answer.read())
        except HTTPError as error:
            return error.code, json.loads(error.read() or b"{}")

    def _pids(self) -> list[int]:
        """Return the server's process and those below it."""
        children: dict[int, list[int]] = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # one that has ended since
                children.setdefault(int(_stat(folder)[1]), []).append(int(folder.name))
        found, ahead = [], [self._process.pid]
        while ahead:
            found.append(pid := ahead.pop())
            ahead += children.get(pid, ())
        return found


@contextmanager
def our_server(
    built: Catalogue, *, more: Mapping[str, str] | None = None, core: int | None = None
) -> Iterator[tuple[Hosted, Path]]:
    """Serve a catalogue with `shortlist serve`, from a copy that is removed afterwards.

    Args:
        built: the catalogue; it stays as it is.
        more: environment variables of the server.
        core: the only core it may use.

    Yields:
        The server, and its data folder.
    """
    with scratch(built) as data, served(built, data, more=more, core=core) as hosted:
        yield hosted, data


@contextmanager
def scratch(built: Catalogue) -> Iterator[Path]:
    """Copy what a server changes and link what nobody changes: log segments and the files of releases."""
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=built.folder))
    try:
        for part in ("log", "state", "releases"):
            for path in sorted((built.folder / part).rglob("*")):
                target = folder / path.relative_to(built.folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                inside = path.relative_to(built.folder / part).parts
                if path.is_dir():
                    target.mkdir(exist_ok=True)
                elif len(inside) > 2:  # segments/<segment>/, releases/<id>/
                    os.link(path, target)
                else:
                    shutil.copy2(path, target)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def served(
    built: Catalogue,
    data: Path,
    *,
    app: Path = APP,
    more: Mapping[str, str] | None = None,
    core: int | None = None,
) -> Iterator[Hosted]:
    """Serve a data folder with `shortlist serve`; `app` is the file of the declaration."""
    port = _free_port()
    command = ["-m", "shortlist.cli", "serve", "--app", str(app), "--data", str(data), "--port", str(port)]
    with _running(command, port, "/readyz", built.folder / "server.txt", more or {}, core) as hosted:
        yield hosted


@contextmanager
def peer_server(built: Catalogue, *, core: int | None = None) -> Iterator[Hosted]:
    """Serve the same catalogue the way people write it today."""
    port = _free_port()
    command = [str(PEER), "--data", str(built.folder), "--port", str(port)]
    with _running(command, port, "/healthz", built.folder / "peer.txt", {}, core) as hosted:
        yield hosted


@contextmanager
def _running(
    command: list[str], port: int, ready_path: str, said: Path, more: Mapping[str, str], core: int | None
) -> Iterator[Hosted]:
    started_s = time.perf_counter()
    paths = [str(_HERE.parent), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, **more, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    with said.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command], stdout=output, stderr=subprocess.STDOUT, env=environment
        )
        if core is not None:  # at once: threads to come inherit it, and pools count the cores they may use
            os.sched_setaffinity(process.pid, {core})
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(process, url + ready_path, said)
            yield Hosted(url, process, time.perf_counter() - started_s)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _stat(folder: Path) -> list[str]:
    """Return the fields of a process after its name, which may hold blanks: state, parent, ..."""
    return (folder / "stat").read_text().rpartition(")")[2].split()


def _wait(process: subprocess.Popen[bytes], url: str, said: Path) -> None:
    end_s = time.perf_counter() + _READY_S
    while time.perf_counter() < end_s:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}:\n{said.read_text()[-2000:]}")
        try:
            with urlopen(url, timeout=5):
                return
        except HTTPError as error:
            if _NO_RELEASE in (said_so := error.read().decode()):
                raise RuntimeError(
                    f"the server takes no release of this catalogue: {said_so}\n{said.read_text()[-2000:]}\n"
                    f"Remove {said.parent} when an earlier version built it: it is built again."
                ) from None
            time.sleep(0.1)
        except (URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"the server was not ready within {_READY_S:.0f} s:\n{said.read_text()[-2000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
