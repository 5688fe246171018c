"""The pages of a declaration: whole, of their own making, and safe with whatever a name holds."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from importlib import import_module
from pathlib import Path

import pytest

import shortlist as sl
from shortlist.studio.pages import build_pages, product

ROOT = Path(__file__).resolve().parents[2]
RECIPES = ["video", "kuairand", "movielens"]


def recipe(name: str) -> sl.App:
    return import_module(f"shortlist.recipes.{name}.app").app


def embedded(page: bytes) -> dict:
    (found,) = re.findall(r'<script type="application/json" id="product">(.*?)</script>', page.decode())
    return json.loads(found)


@pytest.mark.parametrize("name", RECIPES)
def test_a_page_asks_nobody_but_its_server(name):
    pages = build_pages(recipe(name), ["u1"])
    for path, (content_type, body) in pages.items():
        assert "charset=utf-8" in content_type
        assert not re.search(rb"(https?:)?//[a-z]", body.replace(b"// ", b"")), f"{path} names another host"
    linked = re.findall(rb'(?:src|href|from) ?=? ?"(/[^"]*)"', b"".join(body for _, body in pages.values()))
    assert {one.decode() for one in linked} <= set(pages)
    assert b"default-src 'self'" in pages["/"][1]


def test_every_template_is_served():
    served = build_pages(recipe("video"))
    folder = ROOT / "src" / "shortlist" / "studio" / "templates"
    assert {path.name for path in folder.iterdir()} == {
        "demo.html" if path == "/" else path.removeprefix("/studio/") for path in served
    }


def test_the_page_knows_the_declaration():
    known = embedded(build_pages(recipe("video"), ["u2", "u1"])["/"][1])
    assert known["users"] == ["u2", "u1"]
    assert (known["user"], known["item"]) == ("user", "video")
    assert known["attributes"]["published"] == "time"
    assert known["surfaces"] == [
        {"name": "home", "p99_ms": 50, "sources": ["ItemToItem", "Popular", "Fresh"]}
    ]
    assert known["actions"] == [
        {"event": "watch", "fields": {"watch_s": {"otherwise": 30.0, "share": 0.9, "of": "duration_s"}}},
        {"event": "like", "fields": {}},
    ]


def test_an_action_sends_what_the_declaration_makes_of_it():
    assert product(recipe("movielens"), [])["actions"] == [
        {"event": "rating", "fields": {"good": {"otherwise": True}}}
    ]


def test_an_event_of_the_user_alone_is_no_action():
    app = sl.App("shop")
    user, thing = app.entity("user"), app.entity("thing")
    app.event("buy", user, thing, paid_s=float, note=str)
    app.event("login", user)
    app.surface("home", sources=[sl.Popular(n=5)])
    assert product(app, [])["actions"] == [{"event": "buy", "fields": {"paid_s": {"otherwise": 30.0}}}]


def test_a_name_cannot_end_the_script_element():
    evil = "</script><script>alert(1)</script>"
    page = build_pages(recipe("video"), [evil])["/"][1]
    assert embedded(page)["users"] == [evil]
    assert page.count(b"<script") == 2, "the page's data and its script, and no third"


def test_the_templates_are_in_the_wheel(tmp_path):
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        names = set(opened.namelist())
    for name in ("demo.html", "demo.css", "demo.js", "drawing.js"):
        assert f"shortlist/studio/templates/{name}" in names
    assert {f"shortlist/recipes/{name}/app.py" for name in RECIPES} <= names
