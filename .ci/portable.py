"""Refuse files that name a package registry, an index address or a path of somebody's machine.

Such a line works for one person today and breaks the install of everybody else. `make lint` runs it over
what git tracks or would add.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

REFUSED = {
    "a package registry": re.compile(
        r"\b(?:test\.)?pypi\.(?:org|python)|pythonhosted\.|download\.pytorch\.|\bconda\.anaconda\.|registry\.npmjs\."
    ),
    "an index address": re.compile(
        r"(?:index-url|find-links|extra-index)['\"]?[\s=:]+['\"]?(?:https?:|file:|/)|trusted-host[\s=]"
    ),
    "a path of one machine": re.compile(
        r"(?:^|[\s\"'`=(:,])(?:/(?:work|root|opt|Users|home/\w+)|[A-Z]:\\Users)[/\\]\w"
    ),
}


def findings(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield the line number, what is refused there, and the text that names it."""
    for number, line in enumerate(text.splitlines(), start=1):
        for what, pattern in REFUSED.items():
            if found := pattern.search(line):
                yield number, what, found.group().strip()


def files_of(root: Path) -> list[Path]:
    """Files that git tracks or would add, without those deleted in the working tree."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    return [path for name in listed.split("\0") if name and (path := root / name).is_file()]


def main() -> int:
    """Print what was found and return the exit status."""
    found = False
    files = files_of(ROOT)
    for path in files:
        for number, what, text in findings(path.read_bytes().decode("utf-8", errors="replace")):
            print(f"{path.relative_to(ROOT)}:{number}: names {what}: {text!r}")
            found = True
    if not found:
        print(f"{len(files)} files name no registry, no index and no machine.")
    return int(found)


if __name__ == "__main__":
    sys.exit(main())
