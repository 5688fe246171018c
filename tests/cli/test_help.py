"""The help teaches: a paragraph and an example for each verb, and it comes at once."""

from __future__ import annotations

import subprocess
import sys

import pytest

import shortlist
from cli.tiny import in_process_of_its_own
from cli.tiny import shortlist as run

VERBS = ["demo", "init", "check", "world", "import", "train", "ladder", "backtest", "serve", "recommend"]
VERBS += ["load", "plan", "releases"]
HEAVY = {"duckdb", "lightgbm", "numba", "numpy", "scipy", "uvicorn"}


def test_every_verb_is_listed():
    listed = run("--help").output
    assert all(f" {verb} " in listed for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_explains_itself_with_an_example(verb):
    shown = " ".join(run(verb, "--help").output.split())
    assert f"shortlist {verb}" in shown.partition("Example")[2]
    assert run(verb, "-h").output


@pytest.mark.parametrize("action", ["list", "promote", "rollback", "show", "verify"])
def test_an_action_on_releases_shows_how_it_is_written(action):
    assert f"shortlist releases {action}" in run("releases", action, "--help").output


def test_help_loads_nothing_heavy():
    show = "import sys; print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    code = f"import atexit; atexit.register(lambda: exec({show!r})); from shortlist.cli import main; main()"
    ran = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=True)
    assert "recommend" in ran.stdout
    assert not HEAVY & set(ran.stderr.split())


def test_the_version_is_the_package_s(tmp_path):
    assert in_process_of_its_own("--version", folder=tmp_path).stdout.strip() == shortlist.__version__


def test_an_unknown_verb_is_refused(tmp_path):
    ran = in_process_of_its_own("recomend", folder=tmp_path)
    assert ran.returncode == 2
    assert "recommend" in ran.stderr
