"""What the base install costs: MB on disk, MB a server alone needs, seconds to import.

Installs the runtime dependencies, at the pins of the lock file, into a fresh virtual environment in a
temporary folder. Bytecode is not counted: it is written by the interpreter, not installed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
import venv
from importlib.metadata import Distribution, distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TRAINING_ONLY = {"lightgbm", "scipy"}
NOT_OURS = {"pip", "setuptools"}
GOAL_ALL_MB, GOAL_SERVER_MB, GOAL_IMPORT_S = 600, 450, 0.5


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="install-size-") as temporary:
        folder = Path(temporary)
        python = install(folder)
        site_packages = next(folder.glob("lib/python*/site-packages"))
        installed = {normal(d.name): d for d in distributions(path=[str(site_packages)])}
        mb = {name: size_mb(d) for name, d in installed.items() if name not in NOT_OURS}
        server = closure(installed, "shortlist", without=TRAINING_ONLY)
        roots = sorted(direct(installed["shortlist"]) & installed.keys())

        print(f"\n{'runtime dependency':22}{'MB':>8}{'with what only it brings':>27}{'import s':>10}")
        for name in roots:
            alone = mb.keys() - closure(installed, "shortlist", without={name})
            seconds = import_s(python, module_of(name)) - import_s(python, None)
            print(f"{name:22}{mb[name]:8.1f}{sum(mb[d] for d in alone):27.1f}{seconds:10.2f}")

        start_s, ours_s = import_s(python, None), import_s(python, "shortlist")
        total, serving = sum(mb.values()), sum(mb[name] for name in server)
        print(f"\neverything         {total:7.1f} MB in {len(mb)} packages (goal under {GOAL_ALL_MB})")
        print(f"a server alone     {serving:7.1f} MB in {len(server)} packages (goal under {GOAL_SERVER_MB})")
        print(f"python -c pass     {start_s:7.3f} s")
        print(f"import shortlist   {ours_s:7.3f} s (goal under {GOAL_IMPORT_S})")


def install(folder: Path) -> Path:
    """Make the environment and install the package with its runtime dependencies, without bytecode."""
    print(f"installing into a fresh environment, Python {sys.version.split()[0]} ...", flush=True)
    started = time.perf_counter()
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    options = ["--quiet", "--no-compile", "--disable-pip-version-check"]
    lock = ROOT / "requirements.lock"
    subprocess.run([python, "-m", "pip", "install", *options, "-c", lock, ROOT], check=True)
    print(f"installed in {time.perf_counter() - started:.0f} s", flush=True)
    return python


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def size_mb(distribution: Distribution) -> float:
    """MB of the files which the distribution's RECORD lists, bytecode left out."""
    files = [Path(str(f.locate())) for f in distribution.files or [] if f.suffix != ".pyc"]
    return sum(f.stat().st_size for f in files if f.exists()) / 1e6


def direct(distribution: Distribution) -> set[str]:
    """Names of the requirements that no extra guards."""
    required = [r for r in distribution.requires or [] if "extra ==" not in r]
    return {normal(re.split(r"[^\w.-]", r, maxsplit=1)[0]) for r in required}


def closure(installed: dict[str, Distribution], root: str, without: set[str]) -> set[str]:
    """Everything that is installed and reached from `root` without going through `without`."""
    reached: set[str] = set()
    waiting = {root}
    while waiting:
        name = waiting.pop()
        reached.add(name)
        waiting |= (direct(installed[name]) & installed.keys()) - reached - without
    return reached


def module_of(name: str) -> str:
    return {"faiss-cpu": "faiss"}.get(name, name.replace("-", "_"))


def import_s(python: Path, module: str | None, num_runs: int = 5) -> float:
    """Fastest of several fresh interpreters; the first one writes the bytecode."""
    statement = f"import {module}" if module else "pass"
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    seconds = []
    for _ in range(num_runs + 1):
        started = time.perf_counter()
        subprocess.run([python, "-c", statement], check=True, env=environment)
        seconds.append(time.perf_counter() - started)
    return min(seconds[1:])


if __name__ == "__main__":
    main()
