"""A slate out: what it holds, what may be asked, what is refused."""

from __future__ import annotations

import pytest

from online.product import ITEMS, recommend, send, watch
from online.test_ingest import problem_of
from shortlist.releases import Registry


def test_a_slate_says_what_why_and_with_which_chance(client, app):
    answer = recommend(client, "u1", context={"device": "tv", "hour": 3})
    assert answer["surface"] == "home"
    assert len(answer["request_id"]) == 32
    slots = answer["items"]
    assert [slot["position"] for slot in slots] == list(range(1, 11))
    assert len({slot["item"] for slot in slots}) == 10
    assert all(
        slot["sources"] and set(slot["sources"]) <= {"Popular", "ItemToItem", "Fresh"} for slot in slots
    )
    assert all(slot["score_parts"]["engaged"] == pytest.approx(slot["score"], abs=1e-6) for slot in slots)
    assert sum(slot["propensity"] < 1 for slot in slots) == 2
    assert "trace" not in answer
    assert "attributes" not in slots[0]


def test_the_release_is_named(client):
    data = client.server.service._data
    assert recommend(client, "u1")["release"] == Registry(data / "releases").current()


def test_a_surface_without_a_ranker_answers_too(client):
    slots = recommend(client, "u1", "plain")["items"]
    assert len(slots) == 5
    assert all(slot["score_parts"] == {} and slot["propensity"] == 1.0 for slot in slots)


def test_somebody_never_seen_gets_a_full_slate_and_stays_cold_in_a_preview(client):
    assert len(recommend(client, "nobody yet", preview=True)["items"]) == 10
    assert client.get("/v1/users/nobody%20yet").status_code == 404
    assert len(recommend(client, "nobody yet")["items"]) == 10


def test_a_trace_tells_the_funnel(client):
    stages = recommend(client, "u2", trace=True)["trace"]["stages"]
    assert " ".join(stage["role"] for stage in stages) == (
        "source source source merge filter filter features ranker reranker reranker"
    )
    for one in stages[4:6]:
        assert sum(one["removed"].values()) == one["num_in"] - one["num_out"]
    assert all(stage["elapsed_ms"] >= 0 for stage in stages)


def test_attributes_come_when_asked_for(client):
    for slot in recommend(client, "u3", attributes=True, k=3)["items"]:
        assert slot["attributes"] == client.get(f"/v1/items/{slot['item']}").json()["attributes"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "user"),
        ({"user": 1}, "user"),
        ({"user": ""}, "user"),
        ({"user": "x" * 4097}, "user"),
        ({"user": "u1", "k": 0}, "k"),
        ({"user": "u1", "k": 11}, "k"),
        ({"user": "u1", "k": 1.5}, "k"),
        ({"user": "u1", "k": 10**30}, "k"),
        ({"user": "u1", "trace": "yes"}, "trace"),
        ({"user": "u1", "usr": 1}, "usr"),
        ({"user": "u1", "context": []}, "context"),
        ({"user": "u1", "context": {"device": 3}}, "context.device"),
        ({"user": "u1", "context": {"hour": "3"}}, "context.hour"),
        ({"user": "u1", "context": {"devise": "tv"}}, "context.devise"),
        ([], "body"),
    ],
)
def test_a_request_that_does_not_fit_names_the_field(client, body, field):
    answer = client.post("/v1/surfaces/home/recommend", json=body)
    problem = problem_of(answer)
    assert (answer.status_code, problem["field"]) == (422, field)
    assert problem["expected"]
    assert problem["received"]


def test_an_unknown_surface_names_the_known_ones(client):
    answer = client.post("/v1/surfaces/hme/recommend", json={"user": "u1"})
    problem = problem_of(answer)
    assert (answer.status_code, problem["field"]) == (404, "surface")
    assert "home, plain" in problem["expected"]


def test_similar_items_are_those_that_were_watched_together(client):
    watched = client.get("/v1/users/u1").json()["history"]["last(watch, by=user, n=50)"]
    body = client.get(f"/v1/items/{watched[-1]}/similar", params={"n": 100}).json()
    found = {one["item"]: one["score"] for one in body["items"]}
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert watched[-2] in found
    assert len(client.get(f"/v1/items/{watched[-1]}/similar", params={"n": 1}).json()["items"]) == 1


def test_an_item_newer_than_the_release_is_similar_to_nothing_yet(client):
    send(client, watch("u1", "brand new"))
    assert client.get("/v1/items/brand%20new/similar").json()["items"] == []


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("/v1/items/unheard", 404, "item"),
        ("/v1/items/unheard/similar", 404, "item"),
        ("/v1/users/unheard", 404, "user"),
        (f"/v1/items/{ITEMS[0]}/similar?n=0", 422, "n"),
        (f"/v1/items/{ITEMS[0]}/similar?n=101", 422, "n"),
        (f"/v1/items/{ITEMS[0]}/similar?n=ten", 422, "n"),
        (f"/v1/items/{ITEMS[0]}/similar?n=%C2%B2", 422, "n"),
        ("/v2/items", 404, "path"),
        ("/v1/items/", 404, "item"),
        ("/v1/events", 405, "method"),
    ],
)
def test_a_question_about_nothing_is_answered_so(client, path, status, field):
    answer = client.get(path)
    assert (answer.status_code, problem_of(answer)["field"]) == (status, field)
