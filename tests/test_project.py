"""The project's own promises: light imports, a lock for every Python, files that work elsewhere."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {"duckdb", "lightgbm", "numba", "scipy", "uvicorn", "polars", "sklearn", "jax", "optax"}
TRAINING_ONLY = {"lightgbm", "scipy", "jax", "optax"}


def modules_after(statement: str) -> set[str]:
    """Top-level names of what a fresh interpreter has loaded after a statement."""
    show = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    ran = subprocess.run(
        [sys.executable, "-c", f"{statement}; {show}"], capture_output=True, text=True, check=True
    )
    return set(ran.stdout.split())


def load_portable():
    spec = importlib.util.spec_from_file_location("portable", ROOT / ".ci" / "portable.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_import_shortlist_loads_nothing_heavy():
    assert not modules_after("import shortlist") & HEAVY


def test_the_check_of_imports_sees_a_heavy_one():
    assert "duckdb" in modules_after("import duckdb") & HEAVY


def online_modules() -> list[str]:
    folder = ROOT / "src" / "shortlist" / "online"
    return sorted(f"shortlist.online.{path.stem}" for path in folder.glob("*.py") if path.stem != "__init__")


@pytest.mark.skipif(not online_modules(), reason="no module in shortlist.online yet")
def test_serving_imports_where_no_training_library_is_installed():
    # Numba looks at SciPy's version where it finds one, so "not loaded" would say too much.
    absent = f"import sys; sys.modules.update(dict.fromkeys({sorted(TRAINING_ONLY)}))"
    assert "shortlist" in modules_after(f"{absent}; import {', '.join(online_modules())}")


def test_the_check_of_serving_sees_a_training_library():
    with pytest.raises(subprocess.CalledProcessError):
        modules_after("import sys; sys.modules['lightgbm'] = None; import lightgbm")


def pins() -> dict[str, list[str]]:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    found: dict[str, list[str]] = {}
    for line in lines:
        pin = re.fullmatch(r"([a-z0-9.-]+)==(\S+)(?: ; (.+))?", line)
        assert pin, f"requirements.lock holds a line that is no pin: {line!r}"
        found.setdefault(pin[1], []).append(pin[3] or "")
    return found


def required(*extras: str) -> set[str]:
    """Name what the project and some of its extras require, the project itself left out."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"]]
    for extra in extras:
        wanted += project["optional-dependencies"][extra]
    return {re.split(r"[^a-z0-9-]", requirement, maxsplit=1)[0] for requirement in wanted} - {"shortlist"}


def test_lock_pins_every_requirement_of_the_project():
    names = required("deep", "onnx", "dev")
    assert names <= pins().keys(), f"run `make lock`: {names - pins().keys()} are not pinned"


def test_a_package_pinned_twice_says_for_which_python():
    for name, markers in pins().items():
        assert len(markers) == 1 or all(markers), f"{name} is pinned twice without a marker"


def test_every_dependency_that_users_install_has_a_decision():
    notes = " ".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "decisions").glob("*.md"))
    assert not {name for name in required("deep", "onnx") if f"`{name}`" not in notes}


def test_no_file_names_a_machine_or_a_registry():
    portable = load_portable()
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout, so there is no list of committed files")
    found = [
        (str(path.relative_to(ROOT)), *finding)
        for path in portable.files_of(ROOT)
        for finding in portable.findings(path.read_bytes().decode("utf-8", errors="replace"))
    ]
    assert not found


@pytest.mark.parametrize(
    ("parts", "what"),
    [
        (("see https://py", "pi.org/simple"), "a package registry"),
        (("--extra-index", "-url https:", "//example.com/sim", "ple"), "an index address"),
        (("find-links", " = '/wheels'"), "an index address"),
        (('root = "', "/home/", 'ann/shortlist"'), "a path of one machine"),
        (("cd ", "/root/", "shortlist"), "a path of one machine"),
    ],
)
def test_portable_finds_what_it_refuses(parts, what):
    assert [finding[1] for finding in load_portable().findings("fine\n" + "".join(parts))] == [what]


@pytest.mark.parametrize(
    "line", ["POST /v1/surfaces/home/recommend", "uv pip compile --no-emit-index-url", "#!/usr/bin/env bash"]
)
def test_portable_lets_ordinary_lines_pass(line):
    assert not list(load_portable().findings(line))
