"""The page that describes the server describes this server: every route is there, and answers."""

from __future__ import annotations

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from online.product import ITEMS, recommend, running, send, watch

BODIES = {
    ("post", "/v1/events"): watch("u1", "v1"),
    ("post", "/v1/surfaces/{name}/recommend"): {"user": "u1"},
    ("put", "/v1/items"): {"items": [{"video": "v1"}]},
    ("put", "/v1/users"): {"users": [{"user": "u1"}]},
}


@pytest.fixture(scope="module")
def page(client):
    return client.get("/openapi.json").json()


def references(node):
    """Every $ref in a document."""
    if isinstance(node, dict):
        yield from ([node["$ref"]] if "$ref" in node else [])
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_the_page_is_whole(page):
    assert page["openapi"].startswith("3.1.")
    assert {"title", "version"} <= page["info"].keys()
    known = {f"#/components/schemas/{name}" for name in page["components"]["schemas"]}
    assert set(references(page)) <= known
    ids = []
    for path, operations in page["paths"].items():
        for operation in operations.values():
            ids.append(operation["operationId"])
            assert operation["summary"]
            assert "200" in operation["responses"]
            named = {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"}
            assert named == set(re.findall(r"{(\w+)}", path))
    assert len(set(ids)) == len(ids)


def test_every_route_of_the_page_answers(client, page):
    for path, operations in page["paths"].items():
        for method in operations:
            asked = path.replace("{name}", "home").replace("{id}", "u1" if "users" in path else ITEMS[1])
            answer = client.request(method, asked, json=BODIES.get((method, path)))
            assert answer.status_code == 200, (method, path, answer.text)
            described = operations[method]["responses"]["200"]["content"]
            assert answer.headers["content-type"] in described


def test_every_event_type_is_described_as_declared(page, app):
    body = page["paths"]["/v1/events"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    batch, single = body["oneOf"]
    assert batch["properties"]["events"]["items"] == single
    kinds = {one["properties"]["type"]["const"]: one for one in single["oneOf"]}
    assert kinds.keys() == app.events.keys()
    assert kinds["watch"]["required"] == ["type", "user", "video"]
    assert kinds["watch"].keys() == {"type", "properties", "required", "additionalProperties"}
    assert kinds["watch"]["properties"].keys() == {"type", "user", "video", "watch_s", "id", "time"}


def test_metrics_are_what_happened(client):
    recommend(client, "u1")
    send(client, watch("somebody", "v1"), {"type": "nope"}, {"type": "like"})
    client.get("/nowhere/at/all")
    families = {one.name: one for one in text_string_to_metric_families(client.get("/metrics").text)}
    text = client.get("/metrics").text

    def value(name, **labels):
        family = families[name.removesuffix("_total").removesuffix("_count")]
        return sum(
            sample.value
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    assert value("shortlist_requests_total", route="POST /v1/surfaces/{name}/recommend", status="200") >= 1
    assert value("shortlist_requests_total", route="unknown", status="404") == 1
    assert value("shortlist_request_seconds_count", route="POST /v1/events") >= 1
    assert value("shortlist_events_total", kind="watch", result="accepted") >= 1
    assert value("shortlist_events_total", kind="unknown", result="rejected") == 1
    assert value("shortlist_events_total", kind="like", result="rejected") == 1
    assert value("shortlist_stage_milliseconds_count", surface="home", stage="NotSeen") >= 1
    assert value("shortlist_impressions_total", surface="home", result="logged") >= 10
    assert value("shortlist_release_info") == 1
    assert value("shortlist_log_last_seq") == client.get("/readyz").json()["last_seq"]
    assert value("shortlist_state_bytes") > 1000
    assert "somebody" not in text


def test_the_index_names_the_surfaces_and_a_page_takes_its_place(client, app, data):
    assert client.get("/").json() == {
        "app": "video",
        "surfaces": ["home", "plain"],
        "openapi": "/openapi.json",
    }
    pages = {"/": ("text/html; charset=utf-8", b"<h1>hi</h1>"), "/page.js": ("text/javascript", b"1")}
    with running(app, data, pages=pages) as other:
        assert other.get("/").text == "<h1>hi</h1>"
        assert other.get("/").headers["content-type"] == "text/html; charset=utf-8"
        assert other.get("/page.js").text == "1"
        assert other.head("/").headers["content-length"] == "11"
        assert other.get("/v1/items/v1").status_code == 200
