"""Every Python block in the README and the docs runs as printed, and so do the first project's commands."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
COMMAND = re.compile(r"^\$ shortlist (.*)$", re.MULTILINE)
BLOCK = re.compile(r"^([ ]*)```python\n(.*?)^\1```", re.MULTILINE | re.DOTALL)


def blocks() -> list[tuple[str, int, str]]:
    """Where each block stands: the page, its first line, the code."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [
        (str(page.relative_to(ROOT)), text.count("\n", 0, found.start()) + 2, textwrap.dedent(found[2]))
        for page in pages
        for text in [page.read_text(encoding="utf-8")]
        for found in BLOCK.finditer(text)
    ]


def test_the_readme_shows_a_declaration():
    assert any(page == "README.md" and "sl.App(" in code for page, _, code in blocks())


@pytest.mark.parametrize(("page", "line", "code"), [pytest.param(*b, id=f"{b[0]}:{b[1]}") for b in blocks()])
def test_block_runs(page, line, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Blank lines in front make a traceback point at the line of the page.
    exec(compile("\n" * (line - 1) + code, str(ROOT / page), "exec"), {"__name__": "__main__"})


def test_the_commands_of_the_first_project_run_one_after_the_other(tmp_path):
    text = (ROOT / "docs" / "first-project.md").read_text(encoding="utf-8")
    commands = COMMAND.findall(text)
    assert len(commands) > 5
    for command in commands:
        run = subprocess.run(
            [sys.executable, "-m", "shortlist.cli", *shlex.split(command)],
            cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert run.returncode == 0, f"shortlist {command}: {run.stderr}"
