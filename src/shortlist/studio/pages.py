"""The demo page of a declaration: look at a feed as somebody, act, and see it change."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from string import Template

from shortlist.declare.app import App
from shortlist.declare.events import Event

WATCHED_SHARE = 0.9
WATCHED_S = 30.0
"""Seconds that the page says were spent on an item: most of its duration, or this where that is unknown."""


def build_pages(
    app: App, users: Sequence[str] = (), *, is_live: bool = False
) -> dict[str, tuple[str, bytes]]:
    """Return the pages of a product by path, each a content type and a body, for the server to serve.

    Args:
        app: the declaration; the page's buttons are its events between user and item.
        users: some known users to offer; any other can be typed.
        is_live: whether looking at a feed is being shown it, and logged as such: right where the one
            who looks is the user, as in a demo, and false evidence where an operator looks.
    """
    page = Template(_read("demo.html")).substitute(
        app=escape(app.name), product=_embedded(product(app, users, is_live=is_live))
    )
    return {
        "/": ("text/html; charset=utf-8", page.encode()),
        "/studio/demo.css": ("text/css; charset=utf-8", _read("demo.css").encode()),
        **{
            f"/studio/{name}": ("text/javascript; charset=utf-8", _read(name).encode())
            for name in ("demo.js", "drawing.js")
        },
    }


def product(app: App, users: Sequence[str], *, is_live: bool = False) -> dict[str, object]:
    """Describe what the page has to know of a declaration, as plain JSON values."""
    item = app.item_entity
    return {
        "app": app.name,
        "live": is_live,
        "user": app.user_entity.entity_name,
        "item": item.entity_name,
        "attributes": item.attribute_types,
        "users": list(users),
        "surfaces": [
            {
                "name": name,
                "p99_ms": surface.slo.p99_ms,
                "sources": [type(stage).__name__ for stage in surface.sources],
            }
            for name, surface in app.surfaces.items()
        ],
        "actions": [
            {"event": name, "fields": _values(event, item.attribute_types)}
            for name, event in app.events.items()
            if set(event.entities) == {app.user_entity, item}
        ],
    }


def _values(event: Event, attributes: Mapping[str, str]) -> dict[str, object]:
    """Say what a button sends: seconds as a share of the item's duration, conditions as true."""
    seconds: dict[str, object] = {"otherwise": WATCHED_S}
    if attributes.get("duration_s") == "float":
        seconds |= {"share": WATCHED_SHARE, "of": "duration_s"}
    values: dict[str, object] = {}
    for name, field in event.fields.items():
        if field.type == "float" and name.endswith("_s"):
            values[name] = seconds
        elif field.type == "bool":
            values[name] = {"otherwise": True}
    return values


def _embedded(value: object) -> str:
    """Write JSON that no HTML parser can take for the end of its script element."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _read(name: str) -> str:
    return (files("shortlist.studio") / "templates" / name).read_text(encoding="utf-8")
