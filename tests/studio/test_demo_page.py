"""The demo page in a real browser: what it shows is what the server said, and an act changes it."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from shortlist.cli.client import get
from studio.browser import CHROMIUM, Element, visit

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH"),
]


def opened(server, query: str, tmp_path, *options: str) -> Element:
    """Open the page; on a busy machine the first answers may come too late, and be empty."""
    for attempt in range(5):
        page = visit(f"{server.url}/?{query}", tmp_path / f"profile-{attempt}", *options)
        (body,) = page.find("body")
        assert body.attributes["data-state"] == "ready", said(page)
        if cards(page) and not page.find(id="degraded")[0].find("li"):
            return page
    raise AssertionError(f"never a whole feed: {page.find(id='degraded')[0].text}")


def cards(page: Element) -> list[Element]:
    return page.find("li", "card")


def said(page: Element) -> str:
    return page.find(id="said")[0].text


def items(page: Element) -> list[str]:
    return [card.attributes["data-item"] for card in cards(page)]


def test_the_feed_and_its_funnel_are_shown(server, tmp_path):
    page = opened(server, "user=u00004", tmp_path)
    assert len(set(items(page))) == 20
    for card in cards(page):
        about = get(f"{server.url}/v1/items/{card.attributes['data-item']}")["attributes"]
        assert card.find("h3")[0].text == about["title"]
        assert about["creator"] in card.find("p", "by")[0].text
        assert about["topic"] in card.find("div", "banner")[0].text
        assert {dot.text for dot in card.find("span", "dot")} <= {"ItemToItem", "Popular", "Fresh"}
        assert [label.text for label in card.find("div", "parts")[0].find("span") if "P(" in label.text] == [
            "P(engaged)",
            "P(liked)",
        ]
        assert [button.text.split()[0] for button in card.find("button")] == ["watch", "like"]
    assert sum("explored, 1 in" in card.text for card in cards(page)) == 2
    stages = [row.find("span")[0].text for row in page.find(id="funnel")[0].find("li")]
    assert stages[:3] == ["ItemToItem", "Popular", "Fresh"]
    assert stages[-3:] == ["AtMost", "Diversify", "Explore"]
    assert get(f"{server.url}/readyz")["release"][:12] in page.find(id="release")[0].text
    assert said(page) == "The feed of u00004."


def test_known_users_are_offered(server, tmp_path):
    page = opened(server, "user=u00004", tmp_path)
    offered = [button.text for button in page.find(id="users")[0].find("button")]
    assert len(offered) == 8
    assert all(get(f"{server.url}/v1/users/{user}")["history"] for user in offered)


def test_a_watch_changes_the_feed_at_once(server, tmp_path):
    page = opened(server, "user=page-visitor&act=watch:0", tmp_path)
    (watched,) = get(f"{server.url}/v1/users/page-visitor")["history"]["last(watch, by=user, n=50)"]
    about = get(f"{server.url}/v1/items/{watched}")["attributes"]
    assert watched not in items(page)
    assert said(page).startswith(f"watch: “{about['title']}”.")
    assert " are new, " in said(page)
    (latest, *_) = page.find(id="history")[0].find("li")
    assert about["title"] in latest.text
    assert about["creator"] in latest.text
    assert any(
        "moved" in badge.attributes["class"] for card in cards(page) for badge in card.find("span", "moved")
    )
    funnel = page.find(id="funnel")[0].find("li")
    assert int(funnel[0].find("span", "count")[0].text) > 0, "ItemToItem has something to go by now"


def test_a_like_is_kept_on_its_button(server, tmp_path):
    page = opened(server, "user=page-liker&act=like:0", tmp_path)
    pressed = [button for button in page.find("button") if button.attributes.get("aria-pressed") == "true"]
    assert [button.text for button in pressed] == ["like"]


def test_what_is_typed_is_text_and_never_markup(server, tmp_path):
    evil = "<img src=x onerror=document.title=1>"
    page = opened(server, f"user={quote(evil)}", tmp_path)
    assert said(page) == f"The feed of {evil}."
    assert not page.find("img")


def test_a_refused_request_is_said(server, tmp_path):
    page = visit(f"{server.url}/?user={'x' * 5000}", tmp_path / "profile")
    (body,) = page.find("body")
    assert body.attributes["data-state"] == "failed"
    assert "4096" in said(page)
    assert page.find(id="said")[0].attributes["class"] == "bad"


def test_what_is_shown_is_what_was_logged(server, project, tmp_path):
    page = opened(server, "user=u00007", tmp_path)
    with project.open_log() as log:
        records = log.read(after_seq=log.last_seq - 20)
    assert [record.kind for record in records] == ["impression"] * 20
    assert [record.fields["video"] for record in records] == items(page)
    assert [record.fields["position"] for record in records] == list(range(1, 21))
