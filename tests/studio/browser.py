"""A real browser, driven by its command line alone: open a page, wait for it, give what it became."""

from __future__ import annotations

import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

CHROMIUM = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
_QUIET = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--virtual-time-budget=20000",
]  # fmt: skip


class Element:
    """A node of the page: its tag, its attributes, what is in it."""

    def __init__(self, tag: str, attributes: dict[str, str]) -> None:
        self.tag, self.attributes = tag, attributes
        self.children: list[Element | str] = []

    @property
    def text(self) -> str:
        """All text below it."""
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    def find(self, tag: str = "", name: str = "", id: str = "") -> list[Element]:
        """Return the elements below it with a tag, a class and an id, in order."""
        found: list[Element] = []
        for child in self.children:
            if isinstance(child, Element):
                wanted = (not tag or child.tag == tag) and (not id or child.attributes.get("id") == id)
                if wanted and (not name or name in child.attributes.get("class", "").split()):
                    found.append(child)
                found += child.find(tag, name, id)
        return found


class _Reader(HTMLParser):
    VOID = frozenset({"meta", "link", "input", "br", "img", "hr"})

    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        made = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(made)
        if tag not in self.VOID:
            self.open.append(made)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open[-1].tag == tag
            self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def visit(url: str, profile: Path, *options: str) -> Element:
    """Open a page, let its script finish, and return its elements."""
    assert CHROMIUM is not None
    command = [CHROMIUM, *_QUIET, f"--user-data-dir={profile}", *options, "--dump-dom", url]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    reader = _Reader()
    reader.feed(ran.stdout)
    return reader.open[0]
