"""Events and entity updates in: each judged on its own, durable and folded when the answer comes."""

from __future__ import annotations

import uuid

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from online.product import ITEMS, recommend, send, watch

GOOD = {"type": "watch", "user": "ingest", "video": "v1", "watch_s": 1.5}


def problem_of(answer) -> dict:
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == answer.status_code
    assert {"type", "title", "detail", "request_id"} <= body.keys()
    return body


def test_each_event_of_a_batch_is_judged_on_its_own(client):
    results = send(client, GOOD, GOOD | {"watch_s": "long"}, {"type": "nope"}, 5, GOOD | {"watch_s": None})
    assert [result["status"] for result in results] == [
        "accepted", "rejected", "rejected", "rejected", "accepted",
    ]  # fmt: skip
    assert results[4]["seq"] == results[0]["seq"] + 1
    assert [results[place]["problem"]["field"] for place in (1, 2, 3)] == ["watch_s", "type", "record"]
    assert results[1]["problem"]["expected"] == "a number"
    assert "long" in results[1]["problem"]["received"]


def test_one_event_needs_no_list(client):
    answer = client.post("/v1/events", json=GOOD)
    assert (answer.status_code, [one["status"] for one in answer.json()["results"]]) == (200, ["accepted"])


def test_an_id_seen_before_has_no_second_effect(client):
    once = watch("twice", "v3", id=str(uuid.uuid4()))
    first, again = send(client, once, once | {"watch_s": 99.0})
    (later,) = send(client, once)
    assert first["status"] == "accepted"
    assert again == later == {"status": "duplicate", "seq": first["seq"]}
    assert client.get("/v1/users/twice").json()["history"]["last(watch, by=user, n=50)"] == ["v3"]


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ({}, "type"),
        ({"type": 3}, "type"),
        ({"type": "impression", "user": "u", "video": "v"}, "type"),
        ({"type": "video", "video": "v"}, "type"),
        ({"type": "watch", "video": "v"}, "user"),
        (GOOD | {"user": ""}, "user"),
        (GOOD | {"user": None}, "user"),
        (GOOD | {"video": 7}, "video"),
        (GOOD | {"watch_s": 1e300}, "watch_s"),
        (GOOD | {"watch_s": True}, "watch_s"),
        (GOOD | {"watched": 1}, "watched"),
        (GOOD | {"id": 7}, "id"),
        (GOOD | {"id": ""}, "id"),
        (GOOD | {"id": "a\nb"}, "id"),
        (GOOD | {"id": "x" * 513}, "id"),
        (GOOD | {"time": "yesterday"}, "time"),
        (GOOD | {"time": "2026-01-31T12:00:00"}, "time"),
        (GOOD | {"time": -1}, "time"),
        (GOOD | {"time": "1969-01-01T00:00:00Z"}, "time"),
        ({"type": "login", "user": "u", "attempts": 1.5}, "attempts"),
        ({"type": "login", "user": "u", "attempts": 2**63}, "attempts"),
    ],
)
def test_a_refused_event_names_its_field(client, event, field):
    answer = client.post("/v1/events", json={"events": [event]})
    problem = problem_of(answer)
    assert (answer.status_code, problem["field"]) == (422, field)
    assert problem["expected"]
    assert problem["received"]
    assert problem["mend"]


def test_when_no_event_fits_each_fault_is_told(client):
    answer = client.post("/v1/events", json={"events": [{"type": "nope"}, GOOD | {"user": 1}]})
    assert answer.status_code == 422
    assert [fault["field"] for fault in problem_of(answer)["faults"]] == ["type", "user"]


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"", 400, "body"),
        (b"{", 400, "body"),
        (b'{"events": "\xff"}', 400, "body"),
        (b"[" * 100_000, 400, "body"),
        (b"null", 422, "events"),
        (b"[]", 422, "events"),
        (b"{}", 422, "events"),
        (b'{"events": []}', 422, "events"),
        (b'{"events": {}}', 422, "events"),
        (b'{"events": [{}], "more": 1}', 422, "more"),
        (b'{"events": [' + b"0," * 1000 + b"0]}", 422, "events"),
        (b'"' + b"x" * (4 << 20) + b'"', 413, "body"),
    ],
)
def test_a_body_that_is_no_batch_is_refused(client, body, status, field):
    answer = client.post("/v1/events", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, problem_of(answer)["field"]) == (status, field)


@pytest.mark.parametrize(
    "headers", [{}, {"content-type": ""}, {"content-type": "text/plain"}, {"content-type": "text/x+json"}]
)
def test_only_what_says_it_is_json_is_read(client, headers):
    """A web page may send all but JSON without asking first."""
    before = client.get("/readyz").json()["last_seq"]
    answer = client.post("/v1/events", content=msgspec.json.encode(GOOD), headers=headers)
    problem = problem_of(answer)
    assert (answer.status_code, problem["field"]) == (415, "content-type")
    assert "application/json" in problem["mend"]
    assert client.get("/readyz").json()["last_seq"] == before
    spoken = {"content-type": "Application/JSON; charset=utf-8"}
    assert client.post("/v1/events", content=msgspec.json.encode(GOOD), headers=spoken).status_code == 200


def test_a_thousand_events_are_one_call(client):
    results = send(client, *[watch("many", ITEMS[n % 80], id=f"many-{n}") for n in range(1000)])
    seqs = [result["seq"] for result in results]
    assert seqs == list(range(seqs[0], seqs[0] + 1000))


def test_an_item_put_is_an_item_known_and_replaced_whole(client):
    rows = [
        {"video": "new/one ?", "creator": "c1", "duration_s": 9, "published": "2026-01-31T12:00:00+01:00"},
        {"video": "new2", "size": 3},
    ]
    answer = client.put("/v1/items", json={"items": rows})
    accepted, rejected = answer.json()["results"]
    assert (answer.status_code, accepted["status"]) == (200, "accepted")
    assert rejected["problem"]["field"] == "size"
    got = client.get("/v1/items/new%2Fone%20%3F").json()
    assert got == {
        "item": "new/one ?",
        "attributes": {
            "creator": "c1", "topic": None, "duration_s": 9.0, "explicit": None,
            "published": "2026-01-31T11:00:00Z",
        },
    }  # fmt: skip
    client.put("/v1/items", json={"video": "new/one ?", "topic": "t1"})
    assert client.get("/v1/items/new%2Fone%20%3F").json()["attributes"]["creator"] is None


def test_a_user_put_decides_what_may_be_shown(client):
    for adult in (False, True):
        client.put("/v1/users", json={"users": [{"user": "grown", "adult": adult}]})
        assert client.get("/v1/users/grown").json()["attributes"]["adult"] is adult
        shown = [slot["item"] for slot in recommend(client, "grown")["items"]]
        explicit = [client.get(f"/v1/items/{item}").json()["attributes"]["explicit"] for item in shown]
        assert any(explicit) <= adult


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(ITEMS), min_size=1, max_size=6))
def test_an_acknowledged_event_is_in_the_next_answer(client, watched):
    user = uuid.uuid4().hex  # a user drawn twice would have seen everything before long
    for item in watched:
        before = [slot["item"] for slot in recommend(client, user, k=10)["items"]]
        send(client, watch(user, before[0]), watch(user, item))
        after = [slot["item"] for slot in recommend(client, user, k=10)["items"]]
        assert not {before[0], item} & set(after)
